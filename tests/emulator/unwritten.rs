//! What nobody wrote, from where it is loaded to where it is used: idioms that never use it are silent, and their broken
//! twins are named with the load that it came from. Every row is run under every policy and several orders of warps.

use flashpage_emulator::{AsyncPolicy, Launch, Memory, Module, Options, Sanitize, WarpOrder};

/// A kernel of one warp for sm_80. `%r1` is the lane, `%r2` its place of 16 bytes in `S`, `%rd1` a written kilobyte of
/// ones, `%rd2` one that nobody wrote, `%rd3` the lane's word of the output, `%p1` whether the lane is below 20.
fn text(target: &str, body: &str) -> String {
    format!(
        ".version 8.3\n.target {target}\n.address_size 64\n\
         .visible .entry k(.param .u64 in, .param .u64 blank, .param .u64 out) {{\n\
         .reg .b16 %h<32>; .reg .b32 %r<80>; .reg .f32 %f<80>; .reg .b64 %rd<40>; .reg .f64 %fd<8>; .reg .pred %p<20>;\n\
         .shared .align 128 .b8 S[4096]; .local .align 16 .b8 L[64];\n\
         ld.param.u64 %rd1, [in]; ld.param.u64 %rd2, [blank]; ld.param.u64 %rd3, [out];\n\
         mov.u32 %r1, %tid.x; mov.u32 %r3, S; shl.b32 %r4, %r1, 4; add.u32 %r2, %r3, %r4; setp.lt.u32 %p1, %r1, 20;\n\
         mul.wide.u32 %rd4, %r1, 4; add.u64 %rd5, %rd1, %rd4; add.u64 %rd6, %rd2, %rd4; add.u64 %rd3, %rd3, %rd4;\n\
         mul.wide.u32 %rd4, %r1, 16; add.u64 %rd7, %rd1, %rd4; add.u64 %rd8, %rd2, %rd4;\n\
         {body}\n\
         ret;\n}}\n"
    )
}

/// What comes of it: the kind, the instruction to blame and the one that it came from, or the first word of the output.
fn run(target: &str, body: &str, options: &Options) -> Result<u32, String> {
    let module = Module::load(&text(target, body)).unwrap_or_else(|e| panic!("{e}\n{body}"));
    let mut memory = Memory::new();
    let mut params = Vec::new();
    for fill in [Some(1u8), None, None] {
        let at = memory.alloc(4096, 16).unwrap();
        if let Some(fill) = fill {
            memory.write(at, &[fill; 4096]).unwrap();
        }
        params.push(at);
    }
    let out = params[2];
    let params = params.iter().map(|at| at.to_le_bytes().to_vec()).collect();
    let launch = Launch { params, ..Launch::default() };
    match module.launch(&mut memory, "k", &launch, options) {
        Ok(_) => {
            let mut word = [0; 4];
            memory.read(out, &mut word).unwrap();
            Ok(u32::from_le_bytes(word))
        }
        Err(fault) => {
            let text = |site: &Option<Box<flashpage_emulator::Site>>| {
                site.as_ref().map_or(String::new(), |site| site.instruction.clone())
            };
            Err(format!("{} | {} | {}", fault.kind, text(&fault.site), text(&fault.other)))
        }
    }
}

fn harnesses() -> Vec<Options> {
    let options = |policy, warp_order| Options {
        policy,
        warp_order,
        sanitize: Sanitize::USUAL,
        instruction_budget: 1 << 20,
        ..Options::default()
    };
    let mut all =
        vec![options(AsyncPolicy::Eager, WarpOrder::InOrder), options(AsyncPolicy::Lazy, WarpOrder::InOrder)];
    all.extend((0..20).map(|seed| options(AsyncPolicy::Random(seed), WarpOrder::Random(seed))));
    all
}

/// A row is a body that has to be silent, or what has to be said: the use, and where its value came from.
type Row = (&'static str, Option<(&'static str, &'static str)>);

fn check(target: &str, rows: &[Row]) {
    let mut wrong = Vec::new();
    for (body, want) in rows {
        for options in harnesses() {
            let got = run(target, body, &options);
            let right = match (want, &got) {
                (None, Ok(_)) => true,
                (Some((used, loaded)), Err(got)) => {
                    let mut parts = got.split(" | ");
                    let (kind, site, other) = (parts.next(), parts.next(), parts.next());
                    kind.is_some_and(|kind| kind.contains("was never written"))
                        && site.is_some_and(|site| site.contains(used))
                        && other.is_some_and(|other| other.starts_with(loaded))
                }
                _ => false,
            };
            if !right {
                wrong.push(format!("{body}\n  {got:?}\nnot {want:?}, {:?}", options.policy));
                break;
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const STORE: &str = "st.global";

/// The registers of a vector, one by one.
#[test]
fn vectors_with_padding() {
    let rows: &[Row] = &[
        (
            "st.shared.v2.b32 [%r2], {%r1, %r1}; st.shared.b32 [%r2+8], %r1; ld.shared.v4.b32 {%r10, %r11, %r12, %r13}, [%r2];
             add.u32 %r10, %r10, %r11; add.u32 %r10, %r10, %r12; st.global.b32 [%rd3], %r10;",
            None,
        ),
        (
            "st.shared.v2.b32 [%r2], {%r1, %r1}; st.shared.b32 [%r2+8], %r1; ld.shared.v4.b32 {%r10, %r11, %r12, %r13}, [%r2];
             add.u32 %r10, %r10, %r13; st.global.b32 [%rd3], %r10;",
            Some((STORE, "ld.shared.v4")),
        ),
        // A struct of twelve bytes and padding is copied from the thread's memory to shared memory and back.
        (
            "st.local.v2.b32 [L], {%r1, %r1}; st.local.b32 [L+8], %r1; ld.local.v2.b64 {%rd10, %rd11}, [L]; st.shared.v2.b64 [%r2], {%rd10, %rd11};
             ld.shared.v4.b32 {%r10, %r11, %r12, %r13}, [%r2]; st.global.b32 [%rd3], %r12;",
            None,
        ),
        (
            "st.local.v2.b32 [L], {%r1, %r1}; st.local.b32 [L+8], %r1; ld.local.v2.b64 {%rd10, %rd11}, [L]; st.shared.v2.b64 [%r2], {%rd10, %rd11};
             ld.shared.v4.b32 {%r10, %r11, %r12, %r13}, [%r2]; st.global.b32 [%rd3], %r13;",
            Some((STORE, "ld.local.v2")),
        ),
        // Padding that is written out.
        ("ld.global.v4.b32 {%r10, %r11, %r12, %r13}, [%rd8]; st.global.b32 [%rd3], %r11;", Some((STORE, "ld.global.v4"))),
        ("ld.global.v4.b32 {%r10, %r11, %r12, %r13}, [%rd8]; st.shared.v4.b32 [%r2], {%r10, %r11, %r12, %r13};", None),
    ];
    check("sm_80", rows);
}

/// Rows past a tail are loaded and selected away.
#[test]
fn masked_tails() {
    let rows: &[Row] = &[
        ("@%p1 st.shared.b32 [%r2], %r1; ld.shared.b32 %r10, [%r2]; selp.b32 %r10, %r10, 0, %p1; st.global.b32 [%rd3], %r10;", None),
        ("@%p1 st.shared.b32 [%r2], %r1; ld.shared.b32 %r10, [%r2]; st.global.b32 [%rd3], %r10;", Some((STORE, "ld.shared.b32"))),
        ("@%p1 st.shared.b32 [%r2], %r1; ld.shared.b32 %r10, [%r2]; @!%p1 mov.b32 %r10, 0; st.global.b32 [%rd3], %r10;", None),
        ("@%p1 st.shared.b32 [%r2], %r1; ld.shared.b32 %r10, [%r2]; add.u32 %r11, %r10, 5; mul.lo.u32 %r11, %r11, %r10; @%p1 st.global.b32 [%rd3], %r11;", None),
        // The mask is off by one.
        (
            "setp.lt.u32 %p2, %r1, 21; @%p1 st.shared.b32 [%r2], %r1; ld.shared.b32 %r10, [%r2]; add.u32 %r10, %r10, 1; selp.b32 %r10, %r10, 0, %p2; st.global.b32 [%rd3], %r10;",
            Some((STORE, "ld.shared.b32")),
        ),
        // What is selected away goes through a shuffle; and it comes from the wrong lane.
        ("@%p1 st.shared.b32 [%r2], %r1; ld.shared.b32 %r10, [%r2]; shfl.sync.idx.b32 %r11, %r10, 3, 31, -1; st.global.b32 [%rd3], %r11;", None),
        (
            "@%p1 st.shared.b32 [%r2], %r1; ld.shared.b32 %r10, [%r2]; shfl.sync.idx.b32 %r11, %r10, 20, 31, -1; st.global.b32 [%rd3], %r11;",
            Some((STORE, "ld.shared.b32")),
        ),
        // A maximum over what was masked, and over what was not.
        (
            "@%p1 st.shared.b32 [%r2], %r1; ld.shared.f32 %f10, [%r2]; selp.f32 %f10, %f10, 0fFF800000, %p1;
             shfl.sync.bfly.b32 %f11, %f10, 16, 31, -1; max.f32 %f10, %f10, %f11; st.global.f32 [%rd3], %f10;",
            None,
        ),
        (
            "@%p1 st.shared.b32 [%r2], %r1; ld.shared.f32 %f10, [%r2];
             shfl.sync.bfly.b32 %f11, %f10, 16, 31, -1; max.f32 %f10, %f10, %f11; st.global.f32 [%rd3], %f10;",
            Some((STORE, "ld.shared.f32")),
        ),
    ];
    check("sm_80", rows);
}

/// Branches around computation are selections; around anything else they decide something.
#[test]
fn branches() {
    const ASK: &str =
        "ld.global.f32 %f10, [%rd6]; setp.equ.f32 %p2, %f10, 0f00000000; mov.f32 %f11, 0f3F800000;";
    let silent = [
        "@%p2 bra E; rcp.approx.f32 %f11, %f10; E: st.global.b32 [%rd3], %r1;",
        "@%p2 bra E; rcp.approx.f32 %f11, %f10; E: mul.f32 %f12, %f11, %f10; selp.f32 %f12, 0f00000000, %f12, %p1; @!%p1 mov.f32 %f12, 0f00000000; st.global.f32 [%rd3], %f12;",
        "@%p2 bra T; mov.f32 %f11, 0f00000000; bra E; T: mov.f32 %f11, 0f40000000; E: selp.f32 %f11, 0f00000000, %f11, %p1; mov.f32 %f11, %f10; st.global.b32 [%rd3], %r1;",
        // What is computed anew afterwards is known.
        "@%p2 bra E; mov.f32 %f11, 0f40000000; E: mov.f32 %f11, 0f3F800000; st.global.f32 [%rd3], %f11;",
        "@%p2 mov.f32 %f11, 0f40000000; mov.f32 %f11, 0f3F800000; st.global.f32 [%rd3], %f11;",
        "@%p2 bra E; setp.gt.f32 %p3, %f10, %f11; @%p3 bra E; ld.global.f32 %f11, [%rd5]; E: st.global.b32 [%rd3], %r1;",
        // Whether a row is there, and what it holds, asked in one.
        "setp.gt.u32 %p3, %r1, 40; and.pred %p4, %p3, %p2; @%p4 st.global.b32 [%rd3], %r1;",
        "setp.lt.u32 %p3, %r1, 40; or.pred %p4, %p2, %p3; @%p4 st.global.b32 [%rd3], %r1;",
        "setp.gt.u32 %p3, %r1, 40; setp.gt.and.f32 %p4, %f10, %f11, %p3; @%p4 st.global.b32 [%rd3], %r1;",
        "setp.gt.and.u32 %p4, %r1, 40, %p2; @%p4 st.global.b32 [%rd3], %r1;",
        "setp.lt.or.u32 %p4, %r1, 40, %p2; @%p4 st.global.b32 [%rd3], %r1;",
        "set.gt.and.u32.u32 %r10, %r1, 40, %p2; st.global.b32 [%rd3], %r10;",
        // Only the lanes below twenty have asked.
        "setp.eq.u32 %p4, %r1, 40; @%p1 mov.pred %p4, %p2; @%p4 bra E; mov.f32 %f11, 0f40000000; E: @!%p1 st.global.f32 [%rd3], %f11;",
    ];
    let stored = [
        "@%p2 bra E; rcp.approx.f32 %f11, %f10; E: st.global.f32 [%rd3], %f11;",
        "@%p2 bra E; mov.f32 %f11, 0f40000000; E: st.global.f32 [%rd3], %f11;",
        "@!%p2 bra E; mov.f32 %f11, 0f40000000; E: st.global.f32 [%rd3], %f11;",
        "@%p2 mov.f32 %f11, 0f40000000; st.global.f32 [%rd3], %f11;",
        "@!%p2 mov.f32 %f11, 0f40000000; st.global.f32 [%rd3], %f11;",
        "@%p2 bra T; mov.f32 %f11, 0f00000000; bra E; T: mov.f32 %f11, 0f40000000; E: st.global.f32 [%rd3], %f11;",
        "@%p2 ld.global.f32 %f11, [%rd5]; st.global.f32 [%rd3], %f11;",
        "@%p2 bra E; setp.gt.u32 %p3, %r1, 7; @%p3 bra E; mov.f32 %f11, 0f40000000; E: st.global.f32 [%rd3], %f11;",
        "setp.eq.u32 %p4, %r1, 40; @%p1 mov.pred %p4, %p2; @%p4 bra E; mov.f32 %f11, 0f40000000; E: st.global.f32 [%rd3], %f11;",
    ];
    let guarded = [
        "setp.lt.u32 %p3, %r1, 40; and.pred %p4, %p3, %p2; @%p4 st.global.b32 [%rd3], %r1;",
        "setp.gt.u32 %p3, %r1, 40; or.pred %p4, %p2, %p3; @%p4 st.global.b32 [%rd3], %r1;",
        "setp.gt.u32 %p3, %r1, 40; xor.pred %p4, %p2, %p3; @%p4 st.global.b32 [%rd3], %r1;",
        "setp.gt.u32 %p3, %r1, 40; setp.gt.or.f32 %p4, %f10, %f11, %p3; @%p4 st.global.b32 [%rd3], %r1;",
        "setp.gt.and.u32 %p4|%p5, %r1, 40, %p2; @%p5 st.global.b32 [%rd3], %r1;",
        "set.lt.and.u32.u32 %r10, %r1, 40, %p2; st.global.b32 [%rd3], %r10;",
    ];
    let decided = [
        "@%p2 bra E; st.global.f32 [%rd3], 0f00000000; E:",
        "@%p2 bra E; st.shared.f32 [%r2], 0f00000000; E:",
        "@!%p2 bra E; bar.warp.sync -1; E:",
        "@%p2 bra E; ret; E: mov.u32 %r10, 0;",
        "@%p2 bra E; mov.u32 %r10, 0; atom.shared.add.u32 %r11, [%r2], 1; E:",
        "L: ld.global.f32 %f10, [%rd6]; setp.equ.f32 %p2, %f10, 0f00000000; @!%p2 bra L;",
        "@%p2 bra T; mov.u32 %r10, 0; bra E; T: st.global.b32 [%rd3], %r1; E:",
    ];
    let row = |body: &str, want| -> Row { (Box::leak(format!("{ASK} {body}").into_boxed_str()), want) };
    let mut rows: Vec<Row> = silent.into_iter().map(|body| row(body, None)).collect();
    rows.extend(stored.into_iter().map(|body| row(body, Some((STORE, "ld.global")))));
    rows.extend(guarded.into_iter().map(|body| row(body, Some(("st.global", "ld.global")))));
    rows.extend(decided.into_iter().map(|body| row(body, Some(("bra", "ld.global")))));
    check("sm_80", &rows);
}

/// Everything that decides something.
#[test]
fn uses() {
    let rows: &[Row] = &[
        (
            "ld.global.b64 %rd10, [%rd8]; ld.global.b32 %r10, [%rd10];",
            Some(("ld.global.b32", "ld.global.b64")),
        ),
        (
            "ld.global.b32 %r10, [%rd6]; and.b32 %r10, %r10, 12; add.u32 %r10, %r10, %r2; ld.shared.b32 %r11, [%r10];",
            Some(("ld.shared", "ld.global")),
        ),
        (
            "ld.global.b32 %r10, [%rd6]; add.u32 %r10, %r10, %r2; st.shared.b32 [%r10], 0;",
            Some(("st.shared", "ld.global")),
        ),
        (
            "ld.global.b32 %r10, [%rd6]; setp.eq.u32 %p2, %r10, 7; @%p2 bra E; st.shared.b32 [%r2], 0; E:",
            Some(("@%p2 bra", "ld.global")),
        ),
        (
            "ld.global.b32 %r10, [%rd6]; setp.eq.u32 %p2, %r10, 7; @%p2 st.global.b32 [%rd3], 1;",
            Some(("@%p2 st", "ld.global")),
        ),
        (
            "ld.global.b32 %r10, [%rd6]; setp.eq.u32 %p2, %r10, 7; selp.b32 %r11, 1, 2, %p2; st.global.b32 [%rd3], %r11;",
            Some((STORE, "ld.global")),
        ),
        ("ld.global.b32 %r10, [%rd6]; setp.eq.u32 %p2, %r10, 7; selp.b32 %r11, 1, 2, %p2;", None),
        (
            "ld.global.b32 %r10, [%rd6]; setp.eq.u32 %p2, %r10, 7; vote.sync.any.pred %p3, %p2, -1;",
            Some(("vote", "ld.global")),
        ),
        ("ld.global.b32 %r10, [%rd6]; atom.global.add.u32 %r11, [%rd5], %r10;", Some(("atom", "ld.global"))),
        ("ld.global.b32 %r10, [%rd6]; red.global.add.u32 [%rd5], %r10;", Some(("red", "ld.global"))),
        ("atom.global.add.u32 %r11, [%rd6], 1;", Some(("atom", ""))),
        ("atom.global.cas.b32 %r11, [%rd6], 1, 2;", Some(("atom", ""))),
        // What is replaced need not have been written, as long as what it was is of no account.
        (
            "atom.global.exch.b32 %r11, [%rd6], %r1; ld.global.b32 %r12, [%rd6]; st.global.b32 [%rd3], %r12;",
            None,
        ),
        ("atom.global.exch.b32 %r11, [%rd6], %r1; st.global.b32 [%rd3], %r11;", Some((STORE, "atom"))),
        (
            "ld.global.b32 %r10, [%rd6]; brx.idx %r10, T; A: ret; T: .branchtargets A;",
            Some(("brx", "ld.global")),
        ),
        (
            "ld.global.b32 %r10, [%rd6]; shfl.sync.idx.b32 %r11, %r1, %r10, 31, -1;",
            Some(("shfl", "ld.global")),
        ),
        (
            "ld.global.b32 %r10, [%rd6]; and.b32 %r10, %r10, 0; add.u32 %r10, %r10, %r2; st.shared.b32 [%r10], 0;",
            None,
        ),
        (
            "ld.global.b32 %r10, [%rd6]; cvt.u16.u32 %h1, %r10; st.global.b16 [%rd3], %h1;",
            Some((STORE, "ld.global")),
        ),
        (
            "ld.global.b32 %r10, [%rd6]; cp.async.ca.shared.global [%r2], [%rd7], 16, %r10;",
            Some(("cp.async", "ld.global")),
        ),
    ];
    check("sm_80", rows);
}

/// Parts of registers: what is cut off, packed or shifted away does no harm.
#[test]
fn parts_of_registers() {
    const PAIR: &str = "st.shared.b16 [%r2], %h0; ld.shared.b32 %r10, [%r2]; ";
    let silent = [
        "and.b32 %r11, %r10, 0xffff; st.global.b32 [%rd3], %r11;",
        "mov.b32 {%h1, %h2}, %r10; st.global.b16 [%rd3], %h1;",
        "cvt.u16.u32 %h1, %r10; st.global.b16 [%rd3], %h1;",
        "cvt.u32.u16 %r11, %h0; cvt.u16.u32 %h1, %r10; cvt.u32.u16 %r11, %h1; st.global.b32 [%rd3], %r11;",
        "shl.b32 %r11, %r10, 16; st.global.b32 [%rd3], %r11;",
        "shl.b32 %r11, %r10, 16; shr.u32 %r11, %r11, 16; st.global.b32 [%rd3], %r11;",
        "bfe.u32 %r11, %r10, 4, 12; st.global.b32 [%rd3], %r11;",
        "prmt.b32 %r11, %r10, %r1, 0x1010; st.global.b32 [%rd3], %r11;",
        "prmt.b32 %r11, %r10, %r1, 0x5410; st.global.b32 [%rd3], %r11;",
        "bfi.b32 %r11, %r1, %r10, 16, 16; st.global.b32 [%rd3], %r11;",
        "lop3.b32 %r11, %r10, 0xffff, %r1, 0x80; st.global.b32 [%rd3], %r11;",
        "or.b32 %r11, %r10, 0xffff0000; st.global.b32 [%rd3], %r11;",
        "shf.l.wrap.b32 %r11, %r1, %r10, 16; shr.u32 %r11, %r11, 16; st.global.b32 [%rd3], %r11;",
        "add.f16x2 %r11, %r10, %r10; fma.rn.f16x2 %r11, %r11, %r11, %r10; mov.b32 {%h1, %h2}, %r11; st.global.b16 [%rd3], %h1;",
        "mul.bf16x2 %r11, %r10, %r10; and.b32 %r11, %r11, 0xffff; st.global.b32 [%rd3], %r11;",
        "cvt.u16.u32 %h1, %r10; cvt.f32.f16 %f10, %h1; cvt.rn.f16x2.f32 %r11, %f10, %f10; st.global.b32 [%rd3], %r11;",
        "cvt.u64.u32 %rd10, %r10; and.b64 %rd10, %rd10, 0xff; st.global.b64 [%rd7], %rd10;",
        "mov.b64 %rd10, {%r1, %r10}; cvt.u32.u64 %r11, %rd10; st.global.b32 [%rd3], %r11;",
        "mov.b64 %rd10, {%r10, %r1}; shr.u64 %rd10, %rd10, 32; st.global.b64 [%rd7], %rd10;",
        "mov.b64 %rd10, {%r10, %r1}; mov.b64 {%r11, %r12}, %rd10; st.global.b32 [%rd3], %r12;",
        "xor.b32 %r11, %r10, %r10; st.global.b32 [%rd3], %r11;",
        "add.u32 %r11, %r10, 1; st.global.b16 [%rd3], %r11;",
        "st.shared.b32 [%r2+4], %r10; ld.shared.b16 %h1, [%r2+4]; st.global.b16 [%rd3], %h1;",
        "movmatrix.sync.aligned.m8n8.trans.b16 %r11, %r10; movmatrix.sync.aligned.m8n8.trans.b16 %r12, %r11; st.global.b16 [%rd3], %r12;",
    ];
    let named = [
        "st.global.b32 [%rd3], %r10;",
        "mov.b32 {%h1, %h2}, %r10; st.global.b16 [%rd3], %h2;",
        "shr.u32 %r11, %r10, 16; st.global.b32 [%rd3], %r11;",
        "shr.u32 %r11, %r10, 15; and.b32 %r11, %r11, 3; st.global.b32 [%rd3], %r11;",
        "bfe.u32 %r11, %r10, 4, 13; st.global.b32 [%rd3], %r11;",
        "prmt.b32 %r11, %r10, %r1, 0x1020; st.global.b32 [%rd3], %r11;",
        "bfi.b32 %r11, %r1, %r10, 16, 15; st.global.b32 [%rd3], %r11;",
        "add.f16x2 %r11, %r10, %r10; mov.b32 {%h1, %h2}, %r11; st.global.b16 [%rd3], %h2;",
        "cvt.rn.f32.u32 %f10, %r10; st.global.f32 [%rd3], %f10;",
        "mul.lo.u32 %r11, %r10, %r10; shr.u32 %r11, %r11, 16; st.global.b32 [%rd3], %r11;",
        "popc.b32 %r11, %r10; st.global.b32 [%rd3], %r11;",
        "min.u32 %r11, %r10, 0x7fffffff; st.global.b32 [%rd3], %r11;",
        "ld.shared.s16 %r11, [%r2+2]; shr.u32 %r11, %r11, 31; st.global.b32 [%rd3], %r11;",
        "mov.b64 %rd10, {%r1, %r10}; shr.u64 %rd10, %rd10, 48; cvt.u32.u64 %r11, %rd10; st.global.b32 [%rd3], %r11;",
        "st.shared.b32 [%r2+4], %r10; ld.shared.b16 %h1, [%r2+6]; st.global.b16 [%rd3], %h1;",
        "movmatrix.sync.aligned.m8n8.trans.b16 %r11, %r10; st.global.b32 [%rd3], %r11;",
    ];
    let whole = |(body, want): (&str, _)| -> Row {
        let head = "cvt.u16.u32 %h0, %r1; ";
        (Box::leak(format!("{head}{PAIR}{body}").into_boxed_str()), want)
    };
    let rows: Vec<Row> = silent
        .into_iter()
        .map(|body| (body, None))
        .chain(named.into_iter().map(|body| (body, Some((STORE, "ld.shared")))))
        .map(whole)
        .collect();
    check("sm_80", &rows);
}

/// Whether it shows must not hang on the numbers: a minimum may hide a number and a zero a factor.
#[test]
fn arithmetic_hides_nothing() {
    let mut rows: Vec<Row> = Vec::new();
    for arithmetic in [
        "mul.f32 %f11, %f10, 0f00000000;",
        "mul.lo.u32 %r11, %r10, 0; mov.b32 %f11, %r11;",
        "min.f32 %f11, %f10, 0fFF800000;",
        "max.f32 %f11, %f10, 0f7F800000;",
        "min.u32 %r11, %r10, 0; mov.b32 %f11, %r11;",
        "fma.rn.f32 %f11, %f10, 0f00000000, 0f7FC00000;",
        "ex2.approx.f32 %f11, %f10;",
        "setp.gt.f32 %p2, %f10, 0f7F7FFFFF; selp.f32 %f11, 0f3F800000, 0f00000000, %p2;",
        "set.gt.u32.f32 %r11, %f10, 0f7F7FFFFF; mov.b32 %f11, %r11;",
        "add.cc.u32 %r12, %r10, 1; addc.u32 %r11, 0, 0; mov.b32 %f11, %r11;",
    ] {
        let body = format!(
            "ld.global.b32 %r10, [%rd6]; mov.b32 %f10, %r10; {arithmetic} st.global.f32 [%rd3], %f11;"
        );
        rows.push((Box::leak(body.into_boxed_str()), Some((STORE, "ld.global"))));
    }
    check("sm_80", &rows);
}

/// Copies take what is not known along, and leave what they fill known.
#[test]
fn copies() {
    let wait = "cp.async.wait_all; bar.warp.sync -1; ld.shared.v4.b32 {%r10, %r11, %r12, %r13}, [%r2];";
    let table: &[(&str, &str, bool)] = &[
        ("cp.async.ca.shared.global [%r2], [%rd8], 16;", "", true),
        ("cp.async.ca.shared.global [%r2], [%rd8], 16;", "st.global.b32 [%rd3], %r10;", false),
        ("cp.async.ca.shared.global [%r2], [%rd7], 16;", "st.global.b32 [%rd3], %r10;", true),
        // Zeros beyond the source's bytes.
        ("cp.async.ca.shared.global [%r2], [%rd8], 16, 0;", "st.global.b32 [%rd3], %r10;", true),
        ("cp.async.ca.shared.global [%r2], [%rd8], 16, 4;", "st.global.b32 [%rd3], %r11;", true),
        ("cp.async.ca.shared.global [%r2], [%rd8], 16, 4;", "st.global.b32 [%rd3], %r10;", false),
        ("@%p1 cp.async.ca.shared.global [%r2], [%rd7], 16;", "@%p1 st.global.b32 [%rd3], %r13;", true),
        ("@%p1 cp.async.ca.shared.global [%r2], [%rd7], 16;", "st.global.b32 [%rd3], %r13;", false),
    ];
    let rows: Vec<Row> = table
        .iter()
        .map(|(copy, used, silent)| -> Row {
            let body = format!("{copy} {wait} {used}");
            (Box::leak(body.into_boxed_str()), (!silent).then_some((STORE, "ld.shared")))
        })
        .collect();
    check("sm_80", &rows);
}

/// Sixteen rows of A and eight columns of B, of which some are not there, as at the end of a sequence.
#[test]
fn products_of_ragged_tiles() {
    // A in `S`, sixteen rows of 32 bytes; B behind it, eight rows of 32 bytes; `%p1` is whether a lane's row is there.
    const HEAD: &str = "shr.u32 %r20, %r1, 1; and.b32 %r21, %r1, 1; shl.b32 %r22, %r20, 5; shl.b32 %r23, %r21, 4; add.u32 %r22, %r22, %r23; add.u32 %r24, %r22, %r3;
        shr.u32 %r25, %r1, 2; and.b32 %r26, %r1, 3; shl.b32 %r27, %r26, 1;";
    const TILES: &str = "ROWS @%p2 cp.async.cg.shared.global [%r24], [%rd7], 16; setp.lt.u32 %p4, %r1, 16; and.pred %p3, %p3, %p4;
        @%p3 cp.async.cg.shared.global [%r24+512], [%rd7], 16; cp.async.wait_all; bar.warp.sync -1;
        and.b32 %r28, %r1, 15; shl.b32 %r28, %r28, 5; shr.u32 %r29, %r1, 4; shl.b32 %r29, %r29, 4; add.u32 %r28, %r28, %r29; add.u32 %r28, %r28, %r3;
        ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r30, %r31, %r32, %r33}, [%r28];
        and.b32 %r28, %r1, 7; shl.b32 %r28, %r28, 5; shr.u32 %r29, %r1, 3; and.b32 %r29, %r29, 1; shl.b32 %r29, %r29, 4; add.u32 %r28, %r28, %r29; add.u32 %r28, %r28, %r3;
        ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%r34, %r35}, [%r28+512];
        mov.f32 %f1, 0f00000000; mov.f32 %f2, %f1; mov.f32 %f3, %f1; mov.f32 %f4, %f1;
        mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%f1, %f2, %f3, %f4}, {%r30, %r31, %r32, %r33}, {%r34, %r35}, {%f1, %f2, %f3, %f4};";
    const ALL: &str = "setp.lt.u32 %p2, %r20, 16; setp.lt.u32 %p3, %r20, 8;";
    // Rows of A from 10 on, or columns of B from 5 on, are not there.
    const A_ENDS: &str = "setp.lt.u32 %p2, %r20, 10; setp.lt.u32 %p3, %r20, 8;";
    const B_ENDS: &str = "setp.lt.u32 %p2, %r20, 16; setp.lt.u32 %p3, %r20, 5;";
    let table: &[(&str, &str, bool)] = &[
        (ALL, "st.global.v4.f32 [%rd7], {%f1, %f2, %f3, %f4};", true),
        (A_ENDS, "", true),
        (A_ENDS, "st.global.v2.f32 [%rd7], {%f1, %f2};", true),
        (A_ENDS, "setp.lt.u32 %p5, %r25, 2; @%p5 st.global.v2.f32 [%rd7], {%f3, %f4};", true),
        (A_ENDS, "setp.lt.u32 %p5, %r25, 3; @%p5 st.global.v2.f32 [%rd7], {%f3, %f4};", false),
        // Columns that are not there are set to minus infinity before the maximum is taken.
        (
            B_ENDS,
            "setp.lt.u32 %p5, %r27, 5; setp.lt.u32 %p6, %r27, 4; selp.f32 %f1, %f1, 0fFF800000, %p5; selp.f32 %f2, %f2, 0fFF800000, %p6;
             max.f32 %f5, %f1, %f2; shfl.sync.bfly.b32 %f6, %f5, 1, 31, -1; max.f32 %f5, %f5, %f6; shfl.sync.bfly.b32 %f6, %f5, 2, 31, -1; max.f32 %f5, %f5, %f6;
             st.global.f32 [%rd3], %f5;",
            true,
        ),
        (
            B_ENDS,
            "setp.lt.u32 %p5, %r27, 5; selp.f32 %f1, %f1, 0fFF800000, %p5; selp.f32 %f2, %f2, 0fFF800000, %p5;
             max.f32 %f5, %f1, %f2; shfl.sync.bfly.b32 %f6, %f5, 1, 31, -1; max.f32 %f5, %f5, %f6; st.global.f32 [%rd3], %f5;",
            false,
        ),
        // Rows that are not there may be normalised, turned to halves and staged in shared memory.
        (
            A_ENDS,
            "rcp.approx.f32 %f5, %f3; mul.f32 %f3, %f3, %f5; mul.f32 %f4, %f4, %f5; cvt.rn.f16x2.f32 %r40, %f4, %f3; add.u32 %r41, %r3, 2048; shl.b32 %r42, %r1, 2; add.u32 %r41, %r41, %r42;
             st.shared.b32 [%r41], %r40; bar.warp.sync -1; ld.shared.b32 %r43, [%r41]; setp.lt.u32 %p5, %r25, 2; @%p5 st.global.b32 [%rd3], %r43;",
            true,
        ),
        // Another product over what is not there: nothing comes of it that is.
        (
            A_ENDS,
            "cvt.rn.f16x2.f32 %r40, %f2, %f1; cvt.rn.f16x2.f32 %r41, %f4, %f3;
             mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%f1, %f2, %f3, %f4}, {%r40, %r41}, {%r34}, {%f1, %f2, %f3, %f4}; st.global.v2.f32 [%rd7], {%f1, %f2};",
            true,
        ),
        (
            B_ENDS,
            "cvt.rn.f16x2.f32 %r40, %f2, %f1; cvt.rn.f16x2.f32 %r41, %f4, %f3;
             mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%f1, %f2, %f3, %f4}, {%r40, %r41}, {%r30}, {%f1, %f2, %f3, %f4}; st.global.f32 [%rd3], %f1;",
            false,
        ),
        // Zero times what is not there is not zero.
        (
            B_ENDS,
            "mov.b32 %r40, 0; mov.f32 %f1, 0f00000000; mov.f32 %f2, %f1; mov.f32 %f3, %f1; mov.f32 %f4, %f1;
             mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%f1, %f2, %f3, %f4}, {%r40, %r40}, {%r34}, {%f1, %f2, %f3, %f4}; st.global.f32 [%rd3], %f1;",
            false,
        ),
    ];
    let rows: Vec<Row> = table
        .iter()
        .map(|(there, used, silent)| -> Row {
            let body = format!("{HEAD} {} {used}", TILES.replace("ROWS", there));
            let (loaded, store) = ("ld", STORE);
            (Box::leak(body.into_boxed_str()), (!silent).then_some((store, loaded)))
        })
        .collect();
    check("sm_80", &rows);
}

/// The rarer products, where fragments are anything but obvious: a corner of the input that is not there.
#[test]
fn products_of_every_shape() {
    let list = |from: usize, count: usize, kind: &str| {
        let names: Vec<String> = (from..from + count).map(|r| format!("%{kind}{r}")).collect();
        format!("{{{}}}", names.join(", "))
    };
    // Shape and types, registers of A, B and D.
    let table = [
        ("m16n8k16.row.col.f16.f16.f16.f16", 4, 2, 2),
        ("m16n8k8.row.col.f32.tf32.tf32.f32", 4, 2, 4),
        ("m16n8k32.row.col.s32.s8.u8.s32", 4, 2, 4),
        ("m8n8k16.row.col.s32.s8.s8.s32", 1, 1, 2),
        ("m16n8k64.row.col.s32.s4.s4.s32", 4, 2, 4),
        ("m16n8k256.row.col.s32.b1.b1.s32.and.popc", 4, 2, 4),
    ];
    let mut rows: Vec<Row> = Vec::new();
    for (shape, a, b, d) in table {
        // One lane's register of A, of B, or of C was never written: its row, its column, or its element is spoilt.
        for (spoilt, register) in [("A", 10), ("B", 10 + a), ("C", 10 + a + b)] {
            let shape = shape.replace(".and.popc", "");
            let popc = if shape.contains("b1") { ".and.popc" } else { "" };
            let mut load = String::new();
            for r in 10..10 + a + b + d {
                load += &format!("ld.global.b32 %r{r}, [%rd5];");
            }
            let kind = if shape.ends_with("f32") { "f" } else { "r" };
            for r in 0..d {
                load += &format!("mov.b32 %{kind}{}, %r{};", 10 + a + b + r, 10 + a + b + r);
            }
            let load = format!(
                "{load} setp.eq.u32 %p2, %r1, 0; @%p2 ld.global.b32 %r{register}, [%rd6];
                 mov.b32 %{kind}{0}, %r{0}; mma.sync.aligned.{shape}{popc} {1}, {2}, {3}, {4};",
                10 + a + b,
                list(40, d, kind),
                list(10, a, "r"),
                list(10 + a, b, "r"),
                list(10 + a + b, d, kind)
            );
            // Row and column zero are in lane zero; lane 31 has neither.
            for (lane, silent) in [(31, true), (0, false)] {
                let body =
                    format!("{load} setp.eq.u32 %p3, %r1, {lane}; @%p3 st.global.b32 [%rd3], %{kind}40;");
                let want = (!silent).then_some(("@%p3 st.global", "@%p2 ld.global"));
                rows.push((Box::leak(body.into_boxed_str()), want));
            }
            let _ = spoilt;
        }
    }
    check("sm_80", &rows);
}

/// `wmma` and `stmatrix` as well.
#[test]
fn tiles() {
    let fill = "@%p1 st.shared.v4.b32 [%r2], {%r1, %r1, %r1, %r1}; bar.warp.sync -1;";
    let regs = |from: usize| {
        let names: Vec<String> = (from..from + 8).map(|r| format!("%r{r}")).collect();
        names.join(", ")
    };
    let load = format!(
        "wmma.load.a.sync.aligned.row.m16n16k16.shared.f16 {{{}}}, [S]; wmma.load.b.sync.aligned.row.m16n16k16.global.f16 {{{}}}, [%rd1];",
        regs(10),
        regs(20)
    );
    let sums: Vec<String> = (10..18).map(|r| format!("%f{r}")).collect();
    let sums = sums.join(", ");
    let zeros: String = (10..18).map(|r| format!("mov.f32 %f{r}, 0f00000000;")).collect();
    let product = format!(
        "{zeros} wmma.mma.sync.aligned.row.row.m16n16k16.f32.f32 {{{sums}}}, {{{}}}, {{{}}}, {{{sums}}};",
        regs(10),
        regs(20)
    );
    let store = |space: &str, at: &str| {
        format!("wmma.store.d.sync.aligned.row.m16n16k16.{space}.f32 [{at}], {{{sums}}};")
    };
    let staged = "bar.warp.sync -1; ld.shared.b32 %r40, [S+1024]; ld.shared.b32 %r41, [S+2044];";
    let rows: Vec<(String, Option<(&str, &str)>)> = vec![
        // Ten of sixteen rows of A were written, which is what twenty lanes write.
        (format!("{fill} {load} {product}"), None),
        (format!("{fill} {load} {product} {}", store("global", "%rd1")), Some(("wmma.store", "wmma.load"))),
        (format!("{fill} {load} {product} {} {staged} st.global.b32 [%rd3], %r40;", store("shared", "S+1024")), None),
        (
            format!("{fill} {load} {product} {} {staged} st.global.b32 [%rd3], %r41;", store("shared", "S+1024")),
            Some((STORE, "wmma.load.a")),
        ),
        (
            format!("{fill} ld.shared.b32 %r10, [%r2]; and.b32 %r50, %r1, 7; shl.b32 %r50, %r50, 4; add.u32 %r50, %r50, %r3;
             stmatrix.sync.aligned.m8n8.x1.shared.b16 [%r50+2048], {{%r10}}; bar.warp.sync -1; ld.shared.b32 %r11, [S+2048]; st.global.b32 [%rd3], %r11;"),
            None,
        ),
        (
            format!("{fill} ld.shared.b32 %r10, [%r2]; and.b32 %r50, %r1, 7; shl.b32 %r50, %r50, 4; add.u32 %r50, %r50, %r3;
             stmatrix.sync.aligned.m8n8.x1.shared.b16 [%r50+2048], {{%r10}}; bar.warp.sync -1; ld.shared.b32 %r11, [S+2172]; st.global.b32 [%rd3], %r11;"),
            Some((STORE, "ld.shared")),
        ),
    ];
    let rows: Vec<Row> =
        rows.into_iter().map(|(body, want)| -> Row { (Box::leak(body.into_boxed_str()), want) }).collect();
    check("sm_90a", &rows);
}
