//! What the emulator says when something is wrong, word for word.

use crate::machine::{BODY_LINE, OUT_LANE, Run, kernel};
use flashpage_emulator::{FaultKind, Launch, Memory, Module, Options};

/// A body whose last line is to blame, and the first line of what is said.
#[test]
fn messages() {
    let rows: &[(&str, &str)] = &[
        (
            "\nld.global.v4.u32 {%r1, %r2, %r3, %r4}, [%in+1024];",
            "read of 16 bytes at 0x1000000400 is past the end of the 1024-byte allocation at 0x1000000000",
        ),
        ("\nst.global.u32 [%in+1022], 5;", "write of 4 bytes at 0x10000003fe, which is not a multiple of 4"),
        (
            "\nst.global.u16 [%in-2], 5;",
            "write of 2 bytes at 0xffffffffe is before the 1024-byte allocation at 0x1000000000",
        ),
        (
            "mov.u64 %rd1, 64;\natom.global.add.u32 %r1, [%rd1], 5;",
            "atomic of 4 bytes at 0x40 is in no allocation",
        ),
        ("mov.u64 %rd1, 0;\nld.u8 %r1, [%rd1];", "read of 1 bytes at 0x0 is in no allocation"),
        (
            ".shared .b32 S[4];\nst.shared.u32 [S+16], 5;",
            "write of 4 bytes at 0x10 is past the end of the block's 16 bytes of shared memory",
        ),
        (
            ".local .b32 L;\nld.local.u64 %rd1, [L+8];",
            "read of 8 bytes at 0x18 is past the end of the thread's 20 local bytes",
        ),
        ("\nld.param.u32 %r1, [out+8];", "read of 4 bytes at 0x10 is not in the 16 bytes of parameters"),
        (
            "ld.global.u32 %r1, [%out];\nst.global.u32 [%out], %r1;",
            "register %r1 comes of byte 0 of the 4 at 0x1000001400, which was never written",
        ),
        ("\natom.global.add.u32 %r1, [%out], 5;", "byte 0 of the 4 at 0x1000001400 was never written"),
        (
            ".shared .align 8 .b8 S[8]; st.shared.u8 [S+1], 1; bar.warp.sync -1; ld.shared.u16 %r1, [S];\nst.global.u16 [%out], %r1;",
            "register %r1 comes of byte 0 of the 2 at 0x0, which was never written",
        ),
        (
            ".local .b32 L; ld.local.u32 %r1, [L];\nst.global.u32 [%out], %r1;",
            "register %r1 was never written",
        ),
        (
            ".local .b8 L[8]; mov.u64 %rd1, L; cvta.local.u64 %rd1, %rd1; ld.u64 %rd2, [%rd1];\nld.global.u32 %r1, [%rd2];",
            "register %rd2 was never written",
        ),
        ("prmt.b32 %r1, %r60, 0, %r2;\nst.global.u32 [%out], %r1;", "register %r1 was never written"),
        ("bfi.b32 %r1, %r60, %r2, 0, %r3;\nst.global.u32 [%out], %r1;", "register %r1 was never written"),
        ("mov.b32 %r1, {%h1, %h2};\nst.global.u32 [%out], %r1;", "register %r1 was never written"),
        ("add.u32 %r1, %r2, 1;\nst.global.u32 [%out], %r1;", "register %r1 was never written"),
        ("\nld.global.u32 %r1, [%rd5];", "register %rd5 was never written"),
        ("\n@%p3 ret;", "register %p3 was never written"),
        ("setp.eq.u32 %p1, %r9, 0;\nvote.sync.any.pred %p2, %p1, -1;", "register %p1 was never written"),
        ("\ntrap;", "trap"),
        ("mov.u32 %r1, 3; A: T: .branchtargets A, A;\nbrx.idx %r1, T;", "index 3 of a branch with 2 targets"),
        ("\nbar.sync 16;", "barrier 16: there are sixteen, 0 to 15"),
        ("\nbar.sync 1, 33;", "barrier 1: 33 threads are not a multiple of 32"),
        (
            "setp.lt.u32 %p1, %r60, 5; mov.u32 %r1, 0;\n@%p1 shfl.sync.bfly.b32 %r1, %r60, 1, 31, -1;",
            "lanes 0xffffffe0 are missing: the member mask names them",
        ),
        (
            "\nshfl.sync.bfly.b32 %r1, %r60, 1, 31, 255;",
            "lanes 0xffffff00 execute this but are not in its member mask 0x000000ff",
        ),
        (
            "setp.lt.u32 %p1, %r60, 5;\n@%p1 bar.sync 0;",
            "lanes 0xffffffe0 are missing: a barrier is for all lanes of a warp",
        ),
        (
            "setp.lt.u32 %p1, %r60, 5; @%p1 exit;\nmma.sync.aligned.m16n8k8.row.col.f16.f16.f16.f16 {%r1,%r2}, {%r60,%r60}, {%r60}, {%r60,%r60};",
            "lanes 0x0000001f are missing: mma is for all 32 lanes of a warp",
        ),
        (
            ".shared .align 16 .b8 S[512]; setp.lt.u32 %p1, %r60, 5; mov.u32 %r1, S;\n@%p1 ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r2}, [%r1];",
            "lanes 0xffffffe0 are missing: ldmatrix is for all lanes of a warp",
        ),
        (
            "\nA: bra A;",
            "the budget of 16777216 warp instructions is spent, with warp 0 at line 10: an endless loop, a wait that \
             never ends, or work that needs more (`--budget N`, `Options::instruction_budget`)",
        ),
    ];
    let mut wrong = Vec::new();
    for (body, want) in rows {
        let run = Run::new(&format!("{OUT_LANE}\n{body}")).input_words(0..256);
        let blamed = body.lines().last().unwrap().trim_end_matches(';').trim_start_matches("A: ");
        let line = BODY_LINE + body.lines().count() as u32;
        let want = (want.to_string(), line, blamed.to_string());
        let got = match run.bytes() {
            Ok(_) => None,
            Err(fault) => fault.site.map(|site| (fault.kind.to_string(), site.line, site.instruction)),
        };
        if got.as_ref() != Some(&want) {
            wrong.push(format!("{body}\n  {got:?}\nnot {want:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The whole text of a fault, with where it happened.
#[test]
fn a_fault_names_its_place() {
    let body = "mov.u32 %r1, %ctaid.x; mov.u32 %r2, %tid.x; mad.lo.u32 %r1, %r1, 64, %r2; mul.wide.u32 %rd1, %r1, 4; add.u64 %rd1, %rd1, %in;\n@%p1 ret;\nld.global.b32   %r3,\n   [%rd1];";
    let body = body.replace("@%p1 ret;", "");
    let fault = Run::new(&body).input_words(0..100).grid(3).block(64).fault();
    assert_eq!(
        fault.to_string(),
        "read of 4 bytes at 0x1000000190 is past the end of the 400-byte allocation at 0x1000000000\n  at line 10: ld.global.b32 %r3, [%rd1]\n  block (1, 0, 0), warp 1, lane 4, address 0x1000000190"
    );
}

#[test]
fn a_deadlock_lists_every_warp() {
    let body = "mov.u32 %r1, %tid.x; setp.ge.u32 %p1, %r1, 64; @%p1 bra B;\nbar.sync 1, 96;\nret;\nB: setp.ge.u32 %p1, %r1, 96; @%p1 ret;\nbar.sync 2;";
    let fault = Run::new(body).block(128).fault();
    assert_eq!(
        fault.kind.to_string(),
        "deadlock: warp 0 waits at line 9 (barrier 1, 2 of 3 warps), warp 1 waits at line 9 (barrier 1, 2 of 3 warps), warp 2 waits at line 12 (barrier 2, 1 of 3 warps)"
    );
}

/// The lowest block's fault is reported, however many host threads there are.
#[test]
fn faults_are_deterministic() {
    let body = "mov.u32 %r1, %ctaid.x; setp.ge.u32 %p1, %r1, 17; @%p1 trap;";
    for threads in [1, 2, 5] {
        for _ in 0..20 {
            let mut run = Run::new(body).grid(200);
            run.options.threads = threads;
            let fault = run.fault();
            assert_eq!((fault.kind, fault.site.unwrap().block), (FaultKind::Trap, [17, 0, 0]));
        }
    }
}

/// A value that nobody computed may be moved about, and through shared memory, as long as nothing depends on it.
#[test]
fn undefined_values_may_be_moved() {
    let body = format!(
        "{OUT_LANE} setp.lt.u32 %p1, %r60, 4; @%p1 mov.u32 %r1, %r60;
         shfl.sync.bfly.b32 %r2, %r1, 1, 31, -1; add.u32 %r2, %r2, %r1; selp.u32 %r3, %r2, 9, %p1; st.global.u32 [%rd0], %r3;"
    );
    let words = Run::new(&body).output(128).words();
    assert_eq!(words[..6], [1, 1, 5, 5, 9, 9]);
}

/// Compilers build values out of parts of which some are never needed, and copy structs with their padding.
#[test]
fn values_of_which_a_part_was_written() {
    for body in [
        "bfi.b32 %r1, %r60, %r2, 0, 16; and.b32 %r1, %r1, 0xffff;",
        "prmt.b32 %r1, %r60, %r2, 0x7610; and.b32 %r1, %r1, 0xffff;",
        "prmt.b32 %r1, %r60, %r2, 0x3210;",
        "cvt.u16.u32 %h1, %r60; mov.b32 %r1, {%h1, %h2}; and.b32 %r1, %r1, 0xffff;",
        "cvt.u16.u32 %h1, %r60; .local .align 4 .b8 L[4]; st.local.b16 [L], %h1; ld.local.b32 %r1, [L]; and.b32 %r1, %r1, 0xffff;",
        ".local .align 8 .b8 L[24]; st.local.b32 [L], %r60; ld.local.v2.b32 {%r2, %r3}, [L]; st.local.v2.b32 [L+8], {%r2, %r3};
         ld.local.b64 %rd2, [L+8]; st.local.b64 [L+16], %rd2; ld.local.b32 %r1, [L+16];",
    ] {
        let run = Run::new(&format!("{OUT_LANE} {body} st.global.u32 [%rd0], %r1;")).output(128);
        assert_eq!(run.words(), (0..32).collect::<Vec<_>>(), "{body}");
    }
}

#[test]
fn refused_at_load() {
    let rows: &[(&str, &str)] = &[
        (
            "multimem.red.relaxed.sys.global.add.u32 [%rd1], %r1;",
            "line 8: `multimem.red.relaxed.sys.global.add.u32 [%rd1], %r1` is not supported by the emulator",
        ),
        (
            "mov.u32 %r1, 1;\n@%p1 fma.rn.oob.f16 %h1, %h2, %h3, %h4;",
            "line 9: `@%p1 fma.rn.oob.f16 %h1, %h2, %h3, %h4` is not supported by the emulator",
        ),
        ("add.u32 %r1, %nope, 1;", "line 8: register `%nope` is not declared, in `add.u32 %r1, %nope, 1`"),
        ("add.u32 %r1, %r2;", "line 8: add takes 3 operands, in `add.u32 %r1, %r2`"),
        ("add.u64 %rd1, %r2, 1;", "line 8: a 32-bit operand where .u64 is needed, in `add.u64 %rd1, %r2, 1`"),
        ("bra NOWHERE;", "line 8: there is no label `NOWHERE` in this function, in `bra NOWHERE`"),
        ("A: A: ret;", "line 8: label `A` is there twice, in `ret`"),
        ("call f;", "line 8: `f` is not a function of this module, in `call f`"),
        ("ld.shared.u32 %r1, [in];", "line 8: `in` is not in shared memory, in `ld.shared.u32 %r1, [in]`"),
        (
            "cp.async.cg.shared.global [%r1], [%rd1], 8;",
            "line 8: cp.async cannot copy 8 bytes, in `cp.async.cg.shared.global [%r1], [%rd1], 8`",
        ),
        ("mov.u32 %r1, %nosuch.x", "PTX text"),
    ];
    for (body, want) in rows {
        let error = Module::load(&kernel(body)).unwrap_err().to_string();
        assert!(error.starts_with(want), "{error}\nnot {want}");
    }
    let external =
        ".version 8.0\n.target sm_80\n.address_size 64\n.extern .func g();\n.entry k() { call g; ret; }";
    assert!(Module::load(external).unwrap_err().to_string().contains("`g` has no body here"));
}

#[test]
fn refused_at_launch() {
    let text = kernel("").replace("\n{", "\n.reqntid 64, 1, 1\n{").replace(") {", ") .reqntid 64 {");
    let module = Module::load(&text).unwrap();
    let good = Launch { block: [64, 1, 1], params: vec![vec![0; 8]; 2], ..Launch::default() };
    let mut memory = Memory::new();
    let mut refuse =
        |entry: &str, launch: &Launch| match module.launch(&mut memory, entry, launch, &Options::default()) {
            Err(fault) => fault.to_string(),
            Ok(_) => "nothing".to_string(),
        };
    assert_eq!(refuse("k", &good), "nothing");
    let rows: &[(&str, Launch, &str)] = &[
        ("j", good.clone(), "there is no kernel `j`; there is k"),
        (
            "k",
            Launch { block: [32, 1, 1], ..good.clone() },
            "`k` requires blocks of [64, 1, 1] threads, not [32, 1, 1]",
        ),
        (
            "k",
            Launch { block: [64, 64, 64], ..good.clone() },
            "a block of 262144 threads; at most 1024 are possible",
        ),
        ("k", Launch { grid: [0, 1, 1], ..good.clone() }, "a dimension of the launch of `k` is zero"),
        (
            "k",
            Launch { params: vec![vec![0; 8]], ..good.clone() },
            "`k` has 2 parameters and the launch gives 1",
        ),
        (
            "k",
            Launch { params: vec![vec![0; 4]; 2], ..good.clone() },
            "parameter `in` has 8 bytes and the launch gives 4",
        ),
        (
            "k",
            Launch { dynamic_shared_bytes: 1 << 20, ..good.clone() },
            "1048576 bytes of shared memory; at most 232448 are possible",
        ),
    ];
    for (entry, launch, want) in rows {
        assert_eq!(refuse(entry, launch), *want);
    }
}

/// What was printed before a fault comes with it: of the blocks before, and of the one that faulted.
#[test]
fn printing_before_a_fault() {
    let text = ".version 8.0\n.target sm_80\n.address_size 64\n\
        .extern .func (.param .b32 r) vprintf (.param .b64 f, .param .b64 a);\n\
        .global .align 1 .b8 text[10] = {98, 108, 111, 99, 107, 32, 37, 117, 10, 0};\n\
        .visible .entry k() { .local .align 8 .b8 args[8]; .reg .b32 %r<4>; .reg .b64 %rd<4>; .reg .pred %p;\n\
        mov.u32 %r1, %ctaid.x; mov.u64 %rd1, args; cvta.local.u64 %rd1, %rd1; st.u32 [%rd1], %r1;\n\
        mov.u64 %rd2, text; cvta.global.u64 %rd2, %rd2;\n\
        { .param .b64 f; .param .b64 a; .param .b32 r; st.param.b64 [f], %rd2; st.param.b64 [a], %rd1;\n\
        call.uni (r), vprintf, (f, a); }\n\
        setp.eq.u32 %p, %r1, 2; @%p trap; ret; }";
    let module = Module::load(text).unwrap();
    let mut memory = Memory::new();
    let launch = Launch { grid: [8, 1, 1], block: [1, 1, 1], ..Launch::default() };
    let options = Options::default();
    let fault = module.launch(&mut memory, "k", &launch, &options).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Trap);
    assert_eq!(fault.printed, "block 0\nblock 1\nblock 2\n");
}
