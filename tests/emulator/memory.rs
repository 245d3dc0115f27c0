//! Loads, stores, atomics, address spaces, variables of the module.

use crate::machine::{OUT_LANE, Run, Want};
use flashpage_emulator::{Launch, Memory, Module, Options, Sanitize};

/// What each lane must leave in its word of the output.
fn check(cases: &[(&str, Want)]) {
    for (body, want) in cases {
        let run = Run::new(&format!(".local .align 8 .b8 L[16];\n{OUT_LANE}\n{body}"))
            .input_words(0..256)
            .output(128);
        assert_eq!(run.words(), (0..32).map(want).collect::<Vec<_>>(), "{body}");
    }
}

#[test]
fn widths_and_vectors() {
    check(&[
        ("ld.global.u32 %r1, [%in+12]; st.global.u32 [%rd0], %r1;", |_| 3),
        ("ld.global.v2.u32 {%r1, %r2}, [%in+8]; sub.u32 %r1, %r2, %r1; st.global.u32 [%rd0], %r1;", |_| 1),
        (
            "ld.global.v4.u32 {%r1, _, _, %r2}, [%in+16]; sub.u32 %r1, %r2, %r1; st.global.u32 [%rd0], %r1;",
            |_| 3,
        ),
        ("ld.global.v2.u64 {%rd1, %rd2}, [%in+16]; cvt.u32.u64 %r1, %rd2; st.global.u32 [%rd0], %r1;", |_| 6),
        ("mov.u32 %r1, -2; st.local.s16 [L], %r1; ld.local.s16 %r2, [L]; st.global.u32 [%rd0], %r2;", |_| {
            -2i32 as u32
        }),
        ("mov.u32 %r1, -2; st.local.s16 [L], %r1; ld.local.u16 %r2, [L]; st.global.u32 [%rd0], %r2;", |_| {
            0xfffe
        }),
        (
            "mov.u32 %r1, -2; st.local.s8 [L+3], %r1; ld.local.s8 %h1, [L+3]; cvt.s32.s16 %r2, %h1; st.global.u32 [%rd0], %r2;",
            |_| -2i32 as u32,
        ),
        (
            "ld.global.nc.L1::no_allocate.L2::128B.u8 %rd1, [%in+4]; cvt.u32.u64 %r1, %rd1; st.global.cs.u32 [%rd0], %r1;",
            |_| 1,
        ),
        ("mov.u64 %rd1, 0x1122334455667788; st.global.b32 [%rd0], %rd1;", |_| 0x5566_7788),
        ("ld.global.relaxed.gpu.u32 %r1, [%in+4]; st.volatile.global.u32 [%rd0], %r1;", |_| 1),
    ]);
}

#[test]
fn spaces() {
    check(&[
        // Shared, by its own address and through the generic window.
        (
            ".shared .align 4 .b32 S[32]; mov.u32 %r1, S; shl.b32 %r2, %r60, 2; add.u32 %r1, %r1, %r2; st.shared.u32 [%r1], %r60;
             cvt.u64.u32 %rd1, %r1; cvta.shared.u64 %rd1, %rd1; isspacep.shared %p1, %rd1; isspacep.global %p2, %rd1;
             ld.u32 %r3, [%rd1]; selp.b32 %r4, 100, 0, %p1; selp.b32 %r5, 1000, 0, %p2; add.u32 %r3, %r3, %r4; add.u32 %r3, %r3, %r5;
             st.u32 [%rd0], %r3;",
            |lane| lane + 100,
        ),
        // Local memory is each thread's own, also through a pointer.
        (
            "mov.u64 %rd1, L; cvta.local.u64 %rd2, %rd1; st.u32 [%rd2+4], %r60; ld.local.u32 %r1, [%rd1+4];
             cvta.to.local.u64 %rd3, %rd2; ld.local.u32 %r2, [%rd3+4]; add.u32 %r1, %r1, %r2; st.global.u32 [%rd0], %r1;",
            |lane| 2 * lane,
        ),
        // The kernel's parameters by address.
        (
            "mov.b64 %rd1, out; ld.param.u64 %rd2, [%rd1]; cvta.param.u64 %rd3, %rd1; ld.u64 %rd4, [%rd3];
             setp.eq.u64 %p1, %rd2, %out; setp.eq.and.u64 %p1, %rd4, %out, %p1; selp.u32 %r1, 7, 8, %p1; st.global.u32 [%rd0], %r1;",
            |_| 7,
        ),
        // Predicated accesses touch nothing.
        (
            "mov.u64 %rd1, 0; setp.ge.u32 %p1, %r60, 32; mov.u32 %r1, 5; @%p1 ld.global.u32 %r1, [%rd1]; @%p1 st.global.u32 [%rd1], %r1;
             st.global.u32 [%rd0], %r1;",
            |_| 5,
        ),
    ]);
}

#[test]
fn atomics() {
    // Each row: what memory starts as, what all lanes do at once, what is left.
    let rows: &[(&str, u32, &str, u32)] = &[
        ("global", 5, "red.global.add.u32 [%A], 2", 69),
        ("global", 5, "red.relaxed.gpu.global.add.u32 [%A], %r60", 5 + 496),
        ("global", 100, "atom.global.min.s32 %r1, [%A], %r60", 0),
        ("global", 3, "atom.global.max.u32 %r1, [%A], %r60", 31),
        ("global", 0, "atom.global.inc.u32 %r1, [%A], 9", 2),
        ("global", 3, "atom.global.dec.u32 %r1, [%A], 9", 1),
        ("global", 3, "atom.global.exch.b32 %r1, [%A], 77", 77),
        ("global", 3, "atom.global.cas.b32 %r1, [%A], 3, 78", 78),
        ("global", 0xff, "red.global.and.b32 [%A], 0x1e", 0x1e),
        ("global", 1, "red.global.or.b32 [%A], 0x1e", 0x1f),
        ("global", 1, "red.global.xor.b32 [%A], 3", 1),
        ("global", 1.5f32.to_bits(), "red.global.add.f32 [%A], 0f3F800000", 33.5f32.to_bits()),
        ("global", 0x3c00_4000, "red.global.add.noftz.f16x2 [%A], 0x00003c00", 0x3c00_5040),
        ("shared", 5, "red.shared.add.u32 [%A], 2", 69),
        ("shared", 5, "atom.shared.add.u32 %r1, [%A], 2", 69),
    ];
    for (space, start, instruction, want) in rows {
        let address =
            if *space == "global" { "mov.u64 %rd5, %out;" } else { ".shared .b32 S; mov.u64 %rd5, S;" };
        let body = format!(
            "mov.u32 %r60, %tid.x; {address} mov.u32 %r2, {start}; st.{space}.u32 [%rd5], %r2; bar.sync 0;
             {};
             bar.sync 0; ld.{space}.u32 %r3, [%rd5]; st.global.u32 [%out], %r3;",
            instruction.replace("%A", "%rd5")
        );
        assert_eq!(Run::new(&body).words()[0], *want, "{instruction}");
    }
    let old =
        "mov.u64 %rd1, 10; st.global.u64 [%in], %rd1; atom.add.u64 %rd2, [%in], 1; cvt.u32.u64 %r1, %rd2;";
    let mut words = Run::new(&format!("{OUT_LANE} {old} st.global.u32 [%rd0], %r1;"))
        .input_words([0, 0])
        .output(128)
        .words();
    words.sort();
    assert_eq!(words, (10..42).collect::<Vec<_>>());
}

#[test]
fn atomics_across_blocks() {
    let body = "mov.u64 %rd1, 1; red.global.add.u64 [%in], %rd1; ld.global.u32 %r1, [%in+8]; st.global.u32 [%out], %r1;";
    let text = crate::machine::kernel(body);
    let module = Module::load(&text).unwrap();
    for threads in [1, 2, 8] {
        let mut memory = Memory::new();
        let input = memory.alloc(16, 8).unwrap();
        let output = memory.alloc(4, 4).unwrap();
        memory.write(input, &[0; 16]).unwrap();
        let params = vec![input.to_le_bytes().to_vec(), output.to_le_bytes().to_vec()];
        let launch = Launch { grid: [50, 4, 2], block: [64, 2, 1], params, ..Launch::default() };
        let options = Options { threads, ..Options::default() };
        let report = module.launch(&mut memory, "k", &launch, &options).unwrap();
        let mut sum = [0; 8];
        memory.read(input, &mut sum).unwrap();
        assert_eq!(u64::from_le_bytes(sum), 50 * 4 * 2 * 128);
        assert_eq!(report.instructions, 400 * 4 * 7);
    }
}

#[test]
fn module_variables() {
    let text = "
        .version 8.0
        .target sm_80
        .address_size 64
        .global .align 4 .u32 counter = 40;
        .const .align 4 .b8 bytes[8] = {1, 2, 3, 4};
        .global .align 8 .u64 table[2] = {counter, bytes+2};
        .global .f32 ratio = 0.5;
        .global .align 4 .b32 grid[2][3] = {{1, 2}, {4, 5, 6}};
        .extern .shared .align 16 .b8 dynamic[];
        .shared .align 8 .b64 fixed;
        .visible .entry k(.param .u64 out) {
            .reg .b64 %rd<9>; .reg .b32 %r<9>;
            ld.param.u64 %rd1, [out];
            ld.global.u64 %rd2, [table];
            atom.global.add.u32 %r1, [%rd2], 2;
            st.global.u32 [%rd1], %r1;
            ld.global.u64 %rd3, [table+8];
            ld.const.u16 %r2, [%rd3];
            st.global.u32 [%rd1+4], %r2;
            ld.const.u32 %r3, [bytes+4];
            st.global.u32 [%rd1+8], %r3;
            ld.global.b32 %r4, [ratio];
            st.global.u32 [%rd1+12], %r4;
            mov.u32 %r5, dynamic;
            st.shared.u32 [dynamic+12], %r5;
            st.shared.u32 [fixed+4], 9;
            ld.shared.u32 %r6, [%r5+12];
            st.global.u32 [%rd1+16], %r6;
            mov.u64 %rd4, grid;
            ld.global.u32 %r7, [%rd4+8];
            ld.global.u32 %r8, [%rd4+20];
            st.global.v2.u32 [%rd1+24], {%r7, %r8};
            ret;
        }";
    let module = Module::load(text).unwrap();
    let entry = module.entries().next().unwrap();
    assert_eq!((entry.name, entry.static_shared_bytes, entry.parameters.len()), ("k", 8, 1));
    let mut memory = Memory::new();
    let out = memory.alloc(64, 8).unwrap();
    let params = vec![out.to_le_bytes().to_vec()];
    let launch = Launch { block: [1, 1, 1], dynamic_shared_bytes: 16, params, ..Launch::default() };
    for round in 0..2 {
        module
            .launch(&mut memory, "k", &launch, &Options { sanitize: Sanitize::USUAL, ..Options::default() })
            .unwrap();
        let mut bytes = [0; 32];
        memory.read(out, &mut bytes).unwrap();
        let words: Vec<u32> =
            bytes.chunks_exact(4).map(|c| u32::from_le_bytes(c.try_into().unwrap())).collect();
        assert_eq!(words[..5], [40 + 2 * round, 0x0403, 0, 0.5f32.to_bits(), 128]);
        assert_eq!(words[6..8], [0, 6]);
    }
}

#[test]
fn memory_of_the_host() {
    let mut memory = Memory::new();
    let a = memory.alloc(100, 1024).unwrap();
    assert_eq!(a % 1024, 0);
    assert!(memory.write(a, &[0; 101]).is_err());
    assert!(memory.read(a + 99, &mut [0; 2]).is_err());
    assert!(memory.alloc(1, 3).is_err());
    memory.free(a).unwrap();
    let error = memory.read(a + 4, &mut [0; 2]).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("2 bytes at {:#x} is in the 100-byte allocation at {a:#x}, which was freed", a + 4)
    );
    assert!(memory.free(a).is_err());
}

/// Atomics of vectors and of 128 bits, lane after lane on the same words.
#[test]
fn wide_atomics() {
    let rows: &[(&str, Want)] = &[
        // A sum of 32 ones in each element; the old values come back in the order of the lanes.
        (
            "red.global.add.v4.f32 [%in], {0f3F800000, 0f3F800000, 0f40000000, 0f3F800000}; bar.sync 0; ld.global.f32 %r1, [%in+8]; cvt.rzi.u32.f32 %r2, %r1;",
            |_| 64,
        ),
        (
            "mov.b32 %r5, 0f3F800000; atom.global.add.v2.f32 {%r6, %r7}, [%in+16], {%r5, %r5}; cvt.rzi.u32.f32 %r2, %r7;",
            |lane| lane,
        ),
        // The results may be where the address and the sources were.
        (
            "mov.u64 %rd1, %in; mov.b64 {%r1, _}, %rd1; mov.b32 %r5, 0f3F800000; atom.global.add.v2.f32 {%r5, %r6}, [%rd1], {%r5, %r5}; cvt.rzi.u32.f32 %r2, %r6;",
            |lane| lane,
        ),
        (
            "mov.b16 %h1, 0x3c00; red.global.add.noftz.v2.f16 [%in+4], {%h1, %h1}; bar.sync 0; ld.global.b16 %h2, [%in+6]; cvt.rzi.u32.f16 %r2, %h2;",
            |_| 32,
        ),
        (
            "cvt.rn.f16.u32 %h1, %r60; atom.global.max.noftz.v4.f16 {_, _, _, %h2}, [%in], {%h1, %h1, %h1, %h1}; bar.sync 0; ld.global.b16 %h2, [%in+2]; cvt.rzi.u32.f16 %r2, %h2;",
            |_| 31,
        ),
        (
            "mov.b32 %r1, 0x3f803f80; red.global.add.noftz.v2.bf16x2 [%in+8], {%r1, %r1}; bar.sync 0; ld.global.b16 %h2, [%in+14]; cvt.f32.bf16 %r1, %h2; cvt.rzi.u32.f32 %r2, %r1;",
            |_| 32,
        ),
        // Every lane leaves its number and finds that of the lane before.
        (
            "cvt.u64.u32 %rd1, %r60; add.u64 %rd2, %rd1, 100; mov.b128 %q1, {%rd1, %rd2}; atom.global.exch.b128 %q2, [%in+32], %q1; mov.b128 {%rd3, %rd4}, %q2; cvt.u32.u64 %r2, %rd4;",
            |lane| if lane == 0 { 0 } else { lane + 99 },
        ),
        // Each lane finds what the one before it left, up to the one that looks for something else.
        (
            "cvt.u64.u32 %rd1, %r60; sub.u64 %rd2, %rd1, 1; mov.u64 %rd5, 0; setp.eq.u32 %p1, %r60, 6; @%p1 mov.u64 %rd2, 0;
             mov.b128 %q1, {%rd2, %rd5}; mov.b128 %q2, {%rd1, %rd5}; atom.global.cas.b128 %q3, [%in+48], %q1, %q2; mov.b128 {%rd3, %rd4}, %q3; cvt.u32.u64 %r2, %rd3;",
            |lane| lane.saturating_sub(1).min(5),
        ),
        (
            "cvt.u64.u32 %rd1, %r60; mov.b128 %q1, {%rd1, %rd1}; .shared .align 16 .b8 S[512]; shl.b32 %r1, %r60, 4; mov.u32 %r3, S; add.u32 %r1, %r1, %r3;
             st.shared.b128 [%r1], %q1; ld.shared.b128 %q2, [%r1]; mov.b128 {_, %rd3}, %q2; cvt.u32.u64 %r2, %rd3;",
            |lane| lane,
        ),
    ];
    for (body, want) in rows {
        let run = Run::new(&format!("{OUT_LANE}\n{body}\nst.global.u32 [%rd0], %r2;"))
            .input_words([0; 32])
            .output(128);
        assert_eq!(run.words(), (0..32).map(want).collect::<Vec<_>>(), "{body}");
    }
    for (body, want) in [
        ("red.global.add.v4.f32 [%in+8], {%r1, %r1, %r1, %r1};", "which is not a multiple of 16"),
        (
            "mov.b128 %q1, {%in, %in}; atom.global.exch.b128 %q2, [%in+8], %q1;",
            "which is not a multiple of 16",
        ),
        ("ld.global.b128 %q1, [%in+120];", "which is not a multiple of 16"),
        ("ld.global.b128 %q1, [%in+128];", "past the end"),
    ] {
        let run = Run::new(&format!("mov.u32 %r1, 0;\n{body}")).input_words([0; 32]);
        let fault = run.fault().to_string();
        assert!(fault.contains(want), "{body}: {fault}");
    }
}
