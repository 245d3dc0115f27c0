//! Shared memory of other blocks of a cluster: it is there when its block has begun and until that has exited, and something
//! has to order both, whatever the turns.

use flashpage_emulator::{AsyncPolicy, Launch, Memory, Module, Options, WarpOrder};

/// Two blocks of one warp; `%r3` is the address of `S` in the other block and `%r4` that of the mbarrier `B`.
fn run(body: &str, options: &Options) -> Result<(), String> {
    let text = format!(
        ".version 8.3\n.target sm_90a\n.address_size 64\n.visible .entry k(.param .u64 out) {{\n\
         .reg .b32 %r<30>; .reg .b64 %rd<9>; .reg .pred %p<9>; .shared .align 128 .b8 S[512]; .shared .align 8 .b64 B;\n\
         ld.param.u64 %rd1, [out]; mov.u32 %r1, %tid.x; setp.eq.u32 %p1, %r1, 0; mov.u32 %r2, %cluster_ctarank;\n\
         xor.b32 %r5, %r2, 1; mov.u32 %r6, S; mapa.shared::cluster.u32 %r3, %r6, %r5; mov.u32 %r7, B;\n\
         mapa.shared::cluster.u32 %r4, %r7, %r5; setp.eq.u32 %p2, %r2, 0;\n{body}\nret;\n}}\n"
    );
    let module = Module::load(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    let mut memory = Memory::new();
    let out = memory.alloc(4096, 128).unwrap();
    memory.write(out, &[0; 4096]).unwrap();
    let launch = Launch {
        grid: [2, 1, 1],
        block: [32, 1, 1],
        cluster: [2, 1, 1],
        params: vec![out.to_le_bytes().to_vec()],
        ..Launch::default()
    };
    module.launch(&mut memory, "k", &launch, options).map(|_| ()).map_err(|fault| fault.kind.to_string())
}

#[test]
fn blocks_begin_before_and_exit_after() {
    let begin = "barrier.cluster.arrive; barrier.cluster.wait;";
    let relaxed = "barrier.cluster.arrive.relaxed; barrier.cluster.wait;";
    let end = "barrier.cluster.arrive; barrier.cluster.wait;";
    let store = "@%p1 st.shared::cluster.u32 [%r3], %r1;";
    let (early, gone) = ("which may not have begun", "has exited|the block exits while");
    let init = "@%p1 mbarrier.init.shared.b64 [B], 1; @%p1 fence.mbarrier_init.release.cluster;";
    let arrive = "@%p1 mbarrier.arrive.release.cluster.shared::cluster.b64 _, [%r4];";
    let wait = "W: mbarrier.try_wait.parity.acquire.cluster.shared.b64 %p5, [B], 0; @!%p5 bra W;";
    let copy = "@%p2 bra K; @%p1 cp.async.bulk.shared::cluster.shared::cta.mbarrier::complete_tx::bytes [%r3], [S+256], 16, [%r4]; K:";
    // Block 1 arrives at block 0's barrier, or has a copy tell block 1's; who is told may exit.
    let told = |wait: &str| [init, relaxed, "@!%p2 bra R;", wait, "bra E; R:", arrive, "E:"].concat();
    let brought = |wait: &str| {
        let copy = "@%p1 cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%r3], [%rd1], 16, [%r4]; bra E;";
        let expect = "R: @%p1 mbarrier.arrive.expect_tx.shared.b64 _, [B], 16;";
        [init, relaxed, "@!%p2 bra R;", copy, expect, wait, "E:"].concat()
    };
    // Each phase of block 0's `S` takes an arrival of each block. Block 0 waits for the first and only then copies to block
    // 1, which waits for the copy and arrives for the second.
    let multicast = |wait: &str| {
        let make = "@%p1 mbarrier.init.shared.b64 [S], 2; @%p1 st.shared.v4.u32 [S+256], {%r1, %r1, %r1, %r1}; fence.proxy.async;";
        let zero = "cp.async.bulk.shared::cluster.shared::cta.mbarrier::complete_tx::bytes [%r3+384], [S+256], 16, [%r4];\
                    mbarrier.arrive.shared.b64 _, [S]; V: mbarrier.try_wait.parity.shared.b64 %p5, [S], 1; @!%p5 bra V; bra D;";
        let there = "mbarrier.arrive.shared::cluster.b64 _, [%r3];";
        [
            make,
            init,
            begin,
            "@!%p1 bra D; @!%p2 bra R; mbarrier.arrive.shared.b64 _, [S];",
            wait,
            zero,
            "R: mbarrier.arrive.expect_tx.shared.b64 _, [B], 16;",
            there,
            "W: mbarrier.try_wait.parity.shared.b64 %p5, [B], 0; @!%p5 bra W;",
            there,
            "D: bar.warp.sync -1;",
            end,
        ]
        .concat()
    };
    let own = "U: mbarrier.try_wait.parity.shared.b64 %p5, [S], 0; @!%p5 bra U;";
    let early_arrival =
        "could have come before the last was over|more arrive than `init` said|a phase of it|deadlock";
    let rows: [(&str, String, &str); 18] = [
        ("ordered on both sides", [begin, store, end].concat(), ""),
        ("a barrier that only says that they have begun", [relaxed, store, end].concat(), ""),
        ("nothing before", [store, end].concat(), early),
        ("only an arrival before", ["barrier.cluster.arrive;", store, "barrier.cluster.wait;", end].concat(), early),
        ("the block's barrier before", ["bar.sync 0;", store, end].concat(), early),
        ("a read with nothing before", ["@%p1 ld.shared::cluster.u32 %r9, [%r3];", end].concat(), early),
        ("an atomic with nothing before", ["@%p1 red.shared::cluster.add.u32 [%r3], 1;", end].concat(), early),
        ("nothing after", [begin, store].concat(), gone),
        ("an arrival in the other block", [init, relaxed, arrive, wait, end].concat(), ""),
        ("an arrival that is waited for before the exit", told(wait), ""),
        ("an arrival that nobody waits for", told(""), gone),
        ("a copy that is waited for before the exit", brought(wait), ""),
        ("a copy that nobody waits for", brought(""), "has exited|the block exits while|still"),
        ("a copy that comes after its issuer's wait", multicast(own), ""),
        ("a copy that comes after nothing", multicast(""), early_arrival),
        ("an arrival with nothing before", [init, arrive, wait, end].concat(), "which may not have begun|there is none|race"),
        ("one's own memory by its cluster address", "mapa.shared::cluster.u32 %r3, %r6, %r2; @%p1 st.shared::cluster.u32 [%r3], %r1;".to_string(), ""),
        ("a copy with nothing before", ["@%p1 mbarrier.init.shared.b64 [B], 1; @%p1 st.shared.v4.u32 [S+256], {%r1, %r1, %r1, %r1}; fence.proxy.async; bar.warp.sync -1;", copy].concat(), "which may not have begun|which has exited|there is none|race"),
    ];
    for (name, body, want) in rows {
        for seed in 0..22 {
            let policy =
                [AsyncPolicy::Eager, AsyncPolicy::Lazy, AsyncPolicy::Random(seed)][seed as usize % 3];
            let warp_order = if seed < 2 { WarpOrder::InOrder } else { WarpOrder::Random(seed) };
            let options = Options {
                policy,
                warp_order,
                sanitize: true.into(),
                instruction_budget: 1 << 20,
                ..Options::default()
            };
            match (run(&body, &options), want.is_empty()) {
                (Ok(()), true) => {}
                (Ok(()), false) => panic!("{name}, {policy:?}, {warp_order:?}: nothing was found"),
                (Err(fault), _) => {
                    let found = !want.is_empty() && want.split('|').any(|want| fault.contains(want));
                    assert!(found, "{name}, {policy:?}, {warp_order:?}: {fault}");
                }
            }
        }
    }
}
