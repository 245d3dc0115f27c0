//! Programmatic dependent launch: what touches global memory before `griddepcontrol.wait` is found under every policy and
//! order of warps, by every way to touch it, and what waits first, by itself or behind a barrier, is silent.

use crate::two_warps::{harnesses, text};
use flashpage_emulator::{
    ElementType, Fault, FaultKind, Fill, Interleave, L2Promotion, Launch, Memory, Module, Options, Report,
    Sanitize, Swizzle, TensorMap,
};

/// Bytes of each buffer.
const BYTES: usize = 4096;

/// The kernel of two warps over a buffer of zeros, `%rd1`, and a tensor map of it, `%rd2`; the module has a table `C` of
/// constants.
fn launch(body: &str, programmatic: bool, options: &Options) -> Result<Report, Fault> {
    let text = text(body).replacen(".visible", ".const .align 8 .b8 C[64];\n.visible", 1);
    let module = Module::load(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    let mut memory = Memory::new();
    let [out, map] = [BYTES; 2].map(|bytes| memory.alloc(bytes, 128).unwrap());
    memory.write(out, &[0; BYTES]).unwrap();
    let tensor = TensorMap {
        ty: ElementType::U32,
        address: out,
        dims: vec![64],
        strides: vec![],
        box_dims: vec![32],
        element_strides: vec![1],
        interleave: Interleave::None,
        swizzle: Swizzle::None,
        fill: Fill::Zeros,
        l2_promotion: L2Promotion::None,
    };
    memory.write(map, &[0; BYTES]).unwrap();
    memory.write(map, &tensor.encode().unwrap()).unwrap();
    let params = [out, map].map(|at| at.to_le_bytes().to_vec()).to_vec();
    let launch = Launch { block: [64, 1, 1], params, programmatic, ..Launch::default() };
    module.launch(&mut memory, "k", &launch, options)
}

const WAIT: &str = "griddepcontrol.wait;";
const INIT: &str = "@%p1 mbarrier.init.shared.b64 [B], 1; fence.proxy.async; bar.sync 0;";
const AWAIT: &str = "A: mbarrier.try_wait.parity.shared.b64 %p5, [B], 0; @!%p5 bra A;";
const LOAD: &str = "ld.global.u32 %r20, [%rd3];";

/// Each way to touch global memory, with what comes before it, and the verb of its finding.
fn ways() -> Vec<(&'static str, String, &'static str, &'static str)> {
    let expect = "@%p1 mbarrier.arrive.expect_tx.shared.b64 _, [B], 128;";
    let table = [
        ("ld", "", LOAD, "reads"),
        ("ld, vector", "", "ld.global.v2.u32 {%r20, %r21}, [%rd1];", "reads"),
        ("ld.nc", "", "ld.global.nc.u32 %r20, [%rd3];", "reads"),
        ("ld, generic", "", "ld.u32 %r20, [%rd3];", "reads"),
        ("ld, volatile", "", "ld.volatile.global.u32 %r20, [%rd3];", "reads"),
        ("st", "", "st.global.u32 [%rd3], %r1;", "writes"),
        ("st, generic", "", "st.u32 [%rd3], %r1;", "writes"),
        ("atom", "", "atom.global.add.u32 %r20, [%rd1], 1;", "updates"),
        ("red", "", "red.global.add.u32 [%rd1], 1;", "updates"),
        ("cp.async", "", "@%p2 cp.async.ca.shared.global [%r3], [%rd3], 4; cp.async.wait_all;", "reads"),
        (
            "cp.async.bulk, a load",
            expect,
            "@%p1 cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [S], [%rd1], 128, [B];",
            "reads",
        ),
        (
            "cp.async.bulk, a store",
            "",
            "@%p1 cp.async.bulk.global.shared::cta.bulk_group [%rd1], [S], 128; cp.async.bulk.commit_group; cp.async.bulk.wait_group 0;",
            "writes",
        ),
        (
            "cp.reduce.async.bulk",
            "",
            "@%p1 cp.reduce.async.bulk.global.shared::cta.bulk_group.add.u32 [%rd1], [S], 128; cp.async.bulk.commit_group; \
             cp.async.bulk.wait_group 0;",
            "updates",
        ),
        (
            "cp.async.bulk.tensor, a load",
            expect,
            "@%p1 cp.async.bulk.tensor.1d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [S], [%rd2, {0}], [B];",
            "reads",
        ),
        (
            "cp.async.bulk.tensor, a store",
            "",
            "@%p1 cp.async.bulk.tensor.1d.global.shared::cta.tile.bulk_group [%rd2, {0}], [S]; cp.async.bulk.commit_group; \
             cp.async.bulk.wait_group 0;",
            "writes",
        ),
        (
            "wmma.load",
            "",
            "wmma.load.a.sync.aligned.row.m16n16k16.global.f16 {%r20, %r21, %r22, %r23, %r24, %r25, %r26, %r27}, [%rd1];",
            "reads",
        ),
        (
            "wmma.store",
            "",
            "wmma.store.d.sync.aligned.row.m16n16k16.global.f16 [%rd1], {%r1, %r1, %r1, %r1};",
            "writes",
        ),
        (
            "tensormap.replace",
            "",
            "@%p1 tensormap.replace.tile.box_dim.global.b1024.b32 [%rd2], 0, 16;",
            "writes",
        ),
        (
            "tensormap.cp_fenceproxy",
            "",
            "tensormap.cp_fenceproxy.global.shared::cta.tensormap::generic.release.gpu.sync.aligned [%rd2], [S], 128;",
            "writes",
        ),
        ("ld.b128", "", ".reg .b128 %q<2>; ld.global.b128 %q0, [%rd1];", "reads"),
        (
            "atom.b128",
            ".reg .b128 %q<2>; mov.b128 %q0, {%rd1, %rd1};",
            "atom.global.exch.b128 %q1, [%rd1], %q0;",
            "updates",
        ),
    ];
    table.map(|(name, before, access, does)| (name, format!("{INIT} {before}"), access, does)).to_vec()
}

#[test]
fn every_way_to_touch_global_memory_is_found_before_the_wait_and_not_behind_it() {
    for (name, before, access, does) in ways() {
        let after = if before.contains("expect_tx") { AWAIT } else { "" };
        for options in harnesses() {
            let run = |body: String, programmatic| launch(&body, programmatic, &options).map(drop);
            let early = run(format!("{before} {access} {after} {WAIT}"), true);
            let fault = early.expect_err(name);
            assert_eq!(fault.kind, FaultKind::Prerequisites { does }, "{name}: {fault}");
            let site = fault.site.as_ref().expect("an instruction is to blame");
            let accesses = access.contains(site.instruction.as_str());
            assert!(accesses && site.line > 0, "{name}: {fault}");
            assert!(site.address.is_some() && site.lane.is_some(), "{name}: {fault}");
            assert_eq!(run(format!("{before} {WAIT} {access} {after}"), true).err(), None, "{name}");
            // Only such a launch begins early, and only its wait says anything.
            assert_eq!(run(format!("{before} {access} {after} {WAIT}"), false).err(), None, "{name}");
        }
    }
}

#[test]
fn the_message_names_everything() {
    let options = Options { sanitize: Sanitize::USUAL, ..Options::default() };
    let fault = launch("@%p3 ld.global.u32 %r20, [%rd3];\ngriddepcontrol.wait;", true, &options).unwrap_err();
    let message = fault.to_string();
    let address = fault.site.unwrap().address.unwrap();
    assert_eq!(
        message,
        format!(
            "reads global memory before `griddepcontrol.wait`: the launch before may still be writing\n  \
             at line 17: @%p3 ld.global.u32 %r20, [%rd3]\n  block (0, 0, 0), warp 1, lane 0, address {address:#x}"
        )
    );
}

/// What may come before the wait, who may wait for whom, and what is not enough.
#[test]
fn waits_for_others() {
    let (reads, writes) = ("reads global memory before", "writes global memory before");
    let other_store = "@!%p2 st.global.u32 [%rd3], %r1;";
    // Warp 0 waits and tells; warp 1 hears.
    let arrive = format!("{INIT} @!%p2 bra H; {WAIT} @%p1 mbarrier.arrive.shared.b64 _, [B]; bra E; H:");
    // Warp 0 waits, has a tile copied and says how many bytes come; warp 1 stores what it makes of them.
    let produce = format!(
        "{INIT} @!%p2 bra H; {WAIT} @%p1 mbarrier.arrive.expect_tx.shared.b64 _, [B], 128; \
         @%p1 cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [S], [%rd1], 128, [B]; bra E; H:"
    );
    let table: Vec<(&str, String, &str)> = vec![
        ("every thread", format!("{WAIT} {LOAD}"), ""),
        ("twice", format!("{WAIT} {WAIT} {LOAD}"), ""),
        ("dependents may begin before", format!("griddepcontrol.launch_dependents; {WAIT} {LOAD}"), ""),
        ("dependents alone", format!("griddepcontrol.launch_dependents; {LOAD}"), reads),
        ("nothing but shared memory", "st.shared.u32 [%r3], 1;".into(), ""),
        (
            "a shared address as a generic one",
            "mov.u64 %rd4, S; cvta.shared.u64 %rd4, %rd4; ld.u32 %r20, [%rd4];".into(),
            "",
        ),
        ("parameters", "ld.param.u64 %rd4, [out]; ld.param.u32 %r20, [flag];".into(), ""),
        ("constants", "ld.const.u32 %r20, [C]; ld.const.v2.u64 {%rd4, %rd5}, [C+16];".into(), ""),
        (
            "prefetches",
            "prefetch.global.L2 [%rd3]; prefetch.tensormap [%rd2]; \
             @%p1 cp.async.bulk.prefetch.L2.global [%rd1], 128; \
             @%p1 cp.async.bulk.prefetch.tensor.1d.L2.global [%rd2, {0}];"
                .into(),
            "",
        ),
        (
            "a copy that reads nothing",
            "@%p2 cp.async.ca.shared.global [%r3], [%rd3], 4, 0; cp.async.wait_all;".into(),
            "",
        ),
        ("a guard that holds for no lane", format!("setp.eq.u32 %p6, %r1, 99; @%p6 {WAIT} {LOAD}"), reads),
        (
            "a guard that holds for no lane, of the access",
            format!("setp.eq.u32 %p6, %r1, 99; @%p6 {LOAD} {WAIT}"),
            "",
        ),
        ("one warp, a barrier, the other", format!("@%p2 {WAIT} bar.sync 0; {other_store}"), ""),
        ("one warp, no barrier, the other", format!("@%p2 {WAIT} {other_store}"), writes),
        ("the barrier before the wait", format!("bar.sync 0; @%p2 {WAIT} {other_store}"), writes),
        ("one thread, a barrier, all", format!("@%p1 {WAIT} bar.sync 0; {LOAD}"), ""),
        ("one thread, and its own access", format!("@%p1 {WAIT} @%p1 {LOAD}"), ""),
        ("one lane, the others of its warp", format!("@!%p2 bra E; @%p1 {WAIT} {LOAD} E:"), reads),
        (
            "one lane, the others behind a warp's barrier",
            format!("@!%p2 bra E; @%p1 {WAIT} bar.warp.sync -1; {LOAD} E:"),
            "",
        ),
        (
            "lanes that wait apart",
            format!(
                "and.b32 %r20, %r1, 1; setp.eq.u32 %p6, %r20, 0; @%p6 bra V; {WAIT} bra E; V: {WAIT} E: {LOAD}"
            ),
            "",
        ),
        ("an arrival of who has waited", format!("{arrive} {AWAIT} {LOAD} E:"), ""),
        ("an arrival that nobody waits for", format!("{arrive} {LOAD} E:"), reads),
        (
            "a producer waits, its consumer stores",
            format!("{produce} {AWAIT} st.global.u32 [%rd3], %r1; E:"),
            "",
        ),
        (
            "a producer waits, its consumer does not wait for it",
            format!("{produce} st.global.u32 [%rd3], %r1; E:"),
            writes,
        ),
    ];
    for (name, body, want) in table {
        for options in harnesses() {
            match (launch(&body, true, &options), want.is_empty()) {
                (Ok(_), true) => {}
                (Err(fault), false) if fault.to_string().contains(want) => {}
                (Ok(_), false) => panic!("{name}, {options:?}: nothing was found"),
                (Err(fault), _) => panic!("{name}, {options:?}: {fault}"),
            }
        }
    }
}

/// Two blocks of a cluster, and two blocks without one.
#[test]
fn blocks_wait_for_themselves_and_a_cluster_for_its_own() {
    let kernel = |between: &str| {
        format!(
            ".version 8.3\n.target sm_90a\n.address_size 64\n.visible .entry k(.param .u64 out) {{\n\
             .reg .b32 %r<5>; .reg .b64 %rd<3>; .reg .pred %p<3>;\n\
             ld.param.u64 %rd1, [out]; mov.u32 %r1, %ctaid.x; setp.eq.u32 %p1, %r1, 0;\n\
             @%p1 griddepcontrol.wait; {between}\nst.global.u32 [%rd1], 1;\nret;\n}}\n"
        )
    };
    let meet = "barrier.cluster.arrive; barrier.cluster.wait;";
    for (cluster, between, silent) in [(2, meet, true), (2, "", false), (1, "", false)] {
        let module = Module::load(&kernel(between)).unwrap();
        let mut memory = Memory::new();
        let out = memory.alloc(128, 128).unwrap();
        let launch = Launch {
            grid: [2, 1, 1],
            cluster: [cluster, 1, 1],
            programmatic: true,
            params: vec![out.to_le_bytes().to_vec()],
            ..Launch::default()
        };
        for options in harnesses() {
            let outcome = module.launch(&mut memory, "k", &launch, &options);
            assert_eq!(outcome.is_ok(), silent, "{cluster}, {options:?}");
        }
    }
}

/// It is one of the checks of `waits`, and a run can go on after it.
#[test]
fn it_is_a_check_like_others() {
    let of = |sanitize| Options { sanitize, ..Options::default() };
    for (names, found) in [
        ("waits", true),
        ("all", true),
        ("races", false),
        ("unwritten,fences", false),
        ("races,strict", false),
    ] {
        let options = of(names.parse().unwrap());
        assert_eq!(launch(LOAD, true, &options).is_err(), found, "{names}");
    }
    assert!(launch(LOAD, true, &of(Sanitize::NONE)).is_ok());
    let options = Options { keep_going: true, ..of(Sanitize::USUAL) };
    let body = format!("{LOAD} st.global.u32 [%rd3], %r20; {WAIT} {LOAD}");
    let findings = launch(&body, true, &options).unwrap().findings;
    let told: Vec<_> =
        findings.iter().map(|finding| (finding.fault.kind.to_string(), finding.count)).collect();
    let message = |does: &str| {
        format!("{does} global memory before `griddepcontrol.wait`: the launch before may still be writing")
    };
    assert_eq!(told, [(message("reads"), 64), (message("writes"), 64)]);
}
