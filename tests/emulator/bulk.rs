//! Bulk copies without tensor maps, and asynchronous stores, within a block and between the blocks of a cluster.

use flashpage_emulator::{AsyncPolicy, Fault, Launch, Memory, Module, Options, Sanitize};

/// Bytes of shared memory of each block, and of its part of the input and output.
const PART: u32 = 2048;

/// A kernel for clusters of two: `%mine` is the block's shared memory, filled from its part of the input, `%yours` the
/// other block's; `%bar` and `%bar2` are an mbarrier of each that takes one arrival. It does `middle`, and copies shared
/// memory to its part of the output. `%in` and `%out` are the block's parts. Thread 0 has `%p1`.
fn kernel(middle: &str) -> String {
    format!(
        ".version 8.6\n.target sm_90a\n.address_size 64\n\
         .visible .entry k(.param .u64 in, .param .u64 out) {{\n\
         .shared .align 128 .b8 part[{PART}]; .shared .align 8 .b64 barrier;\n\
         .reg .b16 %h<4>; .reg .b32 %r<32>; .reg .b32 %mine, %yours, %bar, %bar2, %rank; .reg .b64 %rd<8>;\n\
         .reg .b64 %in, %out; .reg .pred %p<4>;\n\
         ld.param.u64 %in, [in]; ld.param.u64 %out, [out];\n\
         mov.u32 %rank, %cluster_ctarank; mul.wide.u32 %rd0, %rank, {PART};\n\
         add.u64 %in, %in, %rd0; add.u64 %out, %out, %rd0;\n\
         mov.u32 %mine, part; mov.u32 %bar, barrier; xor.b32 %r1, %rank, 1;\n\
         mapa.shared::cluster.u32 %yours, %mine, %r1; mapa.shared::cluster.u32 %bar2, %bar, %r1;\n\
         mov.u32 %r1, %tid.x; setp.eq.u32 %p1, %r1, 0; shl.b32 %r2, %r1, 2;\n\
         fill: add.u32 %r3, %mine, %r2; cvt.u64.u32 %rd0, %r2; add.u64 %rd1, %in, %rd0;\n\
         ld.global.u32 %r4, [%rd1]; st.shared.u32 [%r3], %r4; add.u32 %r2, %r2, 128;\n\
         setp.lt.u32 %p0, %r2, {PART}; @%p0 bra fill;\n\
         @%p1 mbarrier.init.shared.b64 [%bar], 1; fence.mbarrier_init.release.cluster; fence.proxy.async;\n\
         barrier.cluster.arrive.release; barrier.cluster.wait.acquire;\n\
         {middle}\n\
         barrier.cluster.arrive.release; barrier.cluster.wait.acquire;\n\
         shl.b32 %r2, %r1, 2;\n\
         drain: add.u32 %r3, %mine, %r2; cvt.u64.u32 %rd0, %r2; add.u64 %rd1, %out, %rd0;\n\
         ld.shared.u32 %r4, [%r3]; st.global.u32 [%rd1], %r4; add.u32 %r2, %r2, 128;\n\
         setp.lt.u32 %p0, %r2, {PART}; @%p0 bra drain;\n\
         ret;\n}}\n"
    )
}

const EXPECT: &str = "@%p1 mbarrier.arrive.expect_tx.shared.b64 _, [%bar], ";
const WAIT: &str =
    "wait: mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 %p2, [%bar], 0; @!%p2 bra wait;";
const GROUP: &str = "cp.async.bulk.commit_group; cp.async.bulk.wait_group 0;";

/// The input, as words: it counts up, from a million times the rank.
fn input() -> Vec<u32> {
    (0..2).flat_map(|rank| (0..PART / 4).map(move |i| rank * 1_000_000 + i)).collect()
}

/// Runs it; input and output afterwards.
fn run(middle: &str, policy: AsyncPolicy) -> Result<[Vec<u32>; 2], Fault> {
    run_with(middle, Options { sanitize: Sanitize::USUAL, policy, ..Options::default() })
}

fn run_with(middle: &str, options: Options) -> Result<[Vec<u32>; 2], Fault> {
    let text = kernel(middle);
    let module = Module::load(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    let mut memory = Memory::new();
    let addresses = [0; 2].map(|_| memory.alloc(2 * PART as usize, 128).unwrap());
    let bytes: Vec<u8> = input().into_iter().flat_map(u32::to_le_bytes).collect();
    memory.write(addresses[0], &bytes).unwrap();
    let launch = Launch {
        grid: [2, 1, 1],
        cluster: [2, 1, 1],
        params: addresses.map(|a| a.to_le_bytes().to_vec()).to_vec(),
        ..Launch::default()
    };
    let options = Options { instruction_budget: 1 << 22, ..options };
    module.launch(&mut memory, "k", &launch, &options)?;
    Ok(addresses.map(|address| {
        let mut bytes = vec![0; 2 * PART as usize];
        memory.read(address, &mut bytes).unwrap();
        bytes.chunks_exact(4).map(|c| u32::from_le_bytes(c.try_into().unwrap())).collect()
    }))
}

/// What word `i` of a block's shared memory is at the end.
type Want = fn(rank: u32, i: u32) -> u32;

#[test]
fn copies_between_spaces_and_blocks() {
    let table: [(&str, String, Want); 12] = [
        ("nothing", String::new(), |rank, i| rank * 1_000_000 + i),
        (
            "global to own shared memory",
            format!(
                "{EXPECT}512;\n@%p1 cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes \
                 [%mine+1024], [%in+16], 512, [%bar];\n{WAIT}"
            ),
            |rank, i| rank * 1_000_000 + if (256..384).contains(&i) { i - 252 } else { i },
        ),
        (
            "multicast from block 1",
            format!(
                "{EXPECT}64;\nsetp.eq.u32 %p3, %rank, 1; and.pred %p3, %p3, %p1; mov.b16 %h0, 3;\n\
                 @%p3 cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster \
                 [%mine], [%in+1024], 64, [%bar], %h0;\n{WAIT}"
            ),
            |rank, i| if i < 16 { 1_000_256 + i } else { rank * 1_000_000 + i },
        ),
        (
            "shared memory to the other block's",
            format!(
                "{EXPECT}256;\n@%p1 cp.async.bulk.shared::cluster.shared::cta.mbarrier::complete_tx::bytes \
                 [%yours], [%mine+1024], 256, [%bar2];\n{WAIT}"
            ),
            |rank, i| if i < 64 { (1 - rank) * 1_000_000 + 256 + i } else { rank * 1_000_000 + i },
        ),
        (
            "reduction into the other block's",
            format!(
                "{EXPECT}256;\n@%p1 cp.reduce.async.bulk.shared::cluster.shared::cta.mbarrier::complete_tx::bytes\
                 .add.u32 [%yours], [%mine+1024], 256, [%bar2];\n{WAIT}"
            ),
            |rank, i| rank * 1_000_000 + i + if i < 64 { (1 - rank) * 1_000_000 + 256 + i } else { 0 },
        ),
        (
            "st.async",
            format!(
                "{EXPECT}512;\nshl.b32 %r5, %r1, 4; add.u32 %r6, %yours, %r5; add.u32 %r7, %r1, 7;\n\
                 st.async.shared::cluster.mbarrier::complete_tx::bytes.v4.b32 [%r6], {{%r7, %r1, %r7, %rank}}, \
                 [%bar2];\n{WAIT}"
            ),
            |rank, i| match (i / 4, i % 4) {
                (32.., _) => rank * 1_000_000 + i,
                (lane, 0 | 2) => lane + 7,
                (lane, 1) => lane,
                _ => 1 - rank,
            },
        ),
        (
            "red.async",
            format!(
                "{EXPECT}128;\nred.async.relaxed.cluster.shared::cluster.mbarrier::complete_tx::bytes.add.u32 \
                 [%yours+64], %r1, [%bar2];\n{WAIT}"
            ),
            |rank, i| rank * 1_000_000 + i + if i == 16 { 31 * 16 } else { 0 },
        ),
        (
            "shared memory to global and back",
            format!(
                "@%p1 cp.async.bulk.global.shared::cta.bulk_group [%in+512], [%mine], 128;\n{GROUP}\n\
                 {EXPECT}128;\n@%p1 cp.async.bulk.shared::cta.global.mbarrier::complete_tx::bytes \
                 [%mine+1024], [%in+512], 128, [%bar];\n{WAIT}"
            ),
            |rank, i| rank * 1_000_000 + if (256..288).contains(&i) { i - 256 } else { i },
        ),
        (
            "an empty copy",
            format!(
                "mov.u32 %r5, 0;\n{EXPECT}0;\n@%p1 cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes \
                 [%mine], [%in+512], %r5, [%bar];\n{WAIT}"
            ),
            |rank, i| rank * 1_000_000 + i,
        ),
        ("prefetch", "@%p1 cp.async.bulk.prefetch.L2.global [%in], 128;".to_string(), |rank, i| {
            rank * 1_000_000 + i
        }),
        (
            "generic addresses",
                            "cvta.shared.u64 %rd2, part; mapa.u64 %rd3, %rd2, 0; getctarank.u64 %r5, %rd3;\n\
                 isspacep.shared::cluster %p2, %rd3; isspacep.shared::cta %p3, %rd3; selp.u32 %r6, 2, 0, %p2;\n\
                 selp.u32 %r7, 4, 0, %p3; add.u32 %r5, %r5, %r6; add.u32 %r5, %r5, %r7; \
                 @%p1 st.shared.u32 [%mine], %r5;"
                .to_string(),
            |rank, i| if i == 0 { [6, 2][rank as usize] } else { rank * 1_000_000 + i },
        ),
        (
            "the other block's mbarrier",
            format!(
                "@%p1 mbarrier.expect_tx.relaxed.cluster.shared::cluster.b64 [%bar2], 32;\n\
                 @%p1 mbarrier.arrive.release.cluster.shared::cluster.b64 _, [%bar2];\n\
                 @%p1 cp.async.bulk.shared::cluster.shared::cta.mbarrier::complete_tx::bytes \
                 [%yours], [%mine+1024], 32, [%bar2];\n{WAIT}"
            ),
            |rank, i| if i < 8 { (1 - rank) * 1_000_000 + 256 + i } else { rank * 1_000_000 + i },
        ),
    ];
    for (name, middle, want) in table {
        for policy in [AsyncPolicy::Eager, AsyncPolicy::Lazy, AsyncPolicy::Random(3)] {
            let [_, out] = run(&middle, policy).unwrap_or_else(|e| panic!("{name}, {policy:?}: {e}"));
            for (at, got) in out.iter().enumerate() {
                let (rank, i) = (at as u32 / (PART / 4), at as u32 % (PART / 4));
                assert_eq!(*got, want(rank, i), "{name}, {policy:?}: block {rank}, word {i}");
            }
        }
    }
}

/// Who does not wait for the mbarrier finds a store there or not, and the race check says so.
#[test]
fn stores_that_nobody_waits_for() {
    let table = [
        ("st.async.shared::cluster.mbarrier::complete_tx::bytes.b32", 7),
        ("red.async.relaxed.cluster.shared::cluster.mbarrier::complete_tx::bytes.add.u32", 1_000_007),
    ];
    for (form, there) in table {
        let middle = format!(
            "{EXPECT}128;\nshl.b32 %r5, %r1, 2; add.u32 %r6, %yours, %r5; mov.u32 %r7, 7;\n\
             {form} [%r6], %r7, [%bar2];"
        );
        for (policy, want) in [(AsyncPolicy::Eager, there), (AsyncPolicy::Lazy, 1_000_000)] {
            let options = Options { policy, ..Options::default() };
            let [_, out] = run_with(&middle, options).unwrap_or_else(|e| panic!("{form}: {e}"));
            assert_eq!(out[PART as usize / 4], want, "{form}, {policy:?}");
            let message = run(&middle, policy).map_or_else(|e| e.to_string(), |_| "no fault".into());
            assert!(message.contains("async"), "{form}, {policy:?}: {message}");
        }
    }
}

#[test]
fn reductions_in_global_memory() {
    type Model = fn(u32, u32) -> u32;
    let table: [(&str, Model); 6] = [
        ("add.u32", |old, new| old.wrapping_add(new)),
        ("min.s32", |old, new| (old as i32).min(new as i32) as u32),
        ("max.u32", |old, new| old.max(new)),
        ("inc.u32", |old, new| if old >= new { 0 } else { old + 1 }),
        ("xor.b32", |old, new| old ^ new),
        ("add.f32", |old, new| (f32::from_bits(old) + f32::from_bits(new)).to_bits()),
    ];
    for (word, model) in table {
        // The first words of shared memory onto those at 64.
        let middle = format!(
            "@%p1 cp.reduce.async.bulk.global.shared::cta.bulk_group.{word} [%in+256], [%mine], 128;\n{GROUP}"
        );
        let [after, _] = run(&middle, AsyncPolicy::Lazy).unwrap_or_else(|e| panic!("{word}: {e}"));
        let mut want = input();
        for part in want.chunks_exact_mut(PART as usize / 4) {
            (0..32).for_each(|i| part[64 + i] = model(part[64 + i], part[i]));
        }
        assert_eq!(after, want, "{word}");
    }
}

#[test]
fn faults() {
    let load = "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes";
    let across = "cp.async.bulk.shared::cluster.shared::cta.mbarrier::complete_tx::bytes";
    let table = [
        (
            format!("mov.u32 %r5, 100; @%p1 {load} [%mine], [%in], %r5, [%bar];"),
            "a bulk copy of 100 bytes, which is not a multiple of 16",
        ),
        (format!("@%p1 {load} [%mine+8], [%in], 64, [%bar];"), "of a bulk copy is not a multiple of 16"),
        (format!("@%p1 {load} [%mine], [%in+4], 64, [%bar];"), "of a bulk copy is not a multiple of 16"),
        (format!("@%p1 {load} [%mine], [%in+2048], 4096, [%bar];"), "read of 4096 bytes at"),
        (format!("@%p1 {load} [%mine+2032], [%in], 64, [%bar];"), "is past the end of the"),
        (
            format!("@%p1 {load} [%mine], [%in], 64, [%bar2];"),
            "is in another block's shared memory than the destination",
        ),
        (format!("@%p1 {across} [%mine], [%yours], 64, [%bar];"), "and .shared::cta is the block's own"),
        (
            format!("mov.b16 %h0, 4; @%p1 {load}.multicast::cluster [%mine], [%in], 64, [%bar], %h0;"),
            "is in no block's shared memory",
        ),
        (
            format!("mov.b16 %h0, 0; @%p1 {load}.multicast::cluster [%mine], [%in], 64, [%bar], %h0;"),
            "a multicast to no block",
        ),
    ];
    for (middle, want) in table {
        let message = run(&middle, AsyncPolicy::Eager).map_or_else(|e| e.to_string(), |_| "no fault".into());
        assert!(message.contains(want), "{middle}\n  {message}\n  not: {want}");
    }
}
