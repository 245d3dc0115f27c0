//! Shared memory of other blocks of a cluster: it is there when its block has begun and until that has exited, and something
//! has to order both, whatever the turns.

use flashpage_emulator::{AsyncPolicy, Launch, Memory, Module, Options, Schedule};

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
    let rows: [(&str, String, &str); 12] = [
        ("ordered on both sides", [begin, store, end].concat(), ""),
        ("a barrier that only says that they have begun", [relaxed, store, end].concat(), ""),
        ("nothing before", [store, end].concat(), early),
        ("only an arrival before", ["barrier.cluster.arrive;", store, "barrier.cluster.wait;", end].concat(), early),
        ("the block's barrier before", ["bar.sync 0;", store, end].concat(), early),
        ("a read with nothing before", ["@%p1 ld.shared::cluster.u32 %r9, [%r3];", end].concat(), early),
        ("an atomic with nothing before", ["@%p1 red.shared::cluster.add.u32 [%r3], 1;", end].concat(), early),
        ("nothing after", [begin, store].concat(), gone),
        ("an arrival in the other block", [init, relaxed, arrive, wait, end].concat(), ""),
        ("an arrival with nothing before", [init, arrive, wait, end].concat(), "which may not have begun|there is none|race"),
        ("one's own memory by its cluster address", "mapa.shared::cluster.u32 %r3, %r6, %r2; @%p1 st.shared::cluster.u32 [%r3], %r1;".to_string(), ""),
        ("a copy with nothing before", ["@%p1 mbarrier.init.shared.b64 [B], 1; @%p1 st.shared.v4.u32 [S+256], {%r1, %r1, %r1, %r1}; fence.proxy.async; bar.warp.sync -1;", copy].concat(), "which may not have begun|which has exited|there is none|race"),
    ];
    for (name, body, want) in rows {
        for seed in 0..22 {
            let policy =
                [AsyncPolicy::Eager, AsyncPolicy::Lazy, AsyncPolicy::Random(seed)][seed as usize % 3];
            let schedule = if seed < 2 { Schedule::InOrder } else { Schedule::Random(seed) };
            let options = Options {
                policy,
                schedule,
                sanitize: true.into(),
                instruction_budget: 1 << 20,
                ..Options::default()
            };
            match (run(&body, &options), want.is_empty()) {
                (Ok(()), true) => {}
                (Ok(()), false) => panic!("{name}, {policy:?}, {schedule:?}: nothing was found"),
                (Err(fault), _) => {
                    let found = !want.is_empty() && want.split('|').any(|want| fault.contains(want));
                    assert!(found, "{name}, {policy:?}, {schedule:?}: {fault}");
                }
            }
        }
    }
}
