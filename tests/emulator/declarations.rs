//! Variables with initial values, parameters of every size, shared arrays, scopes: kernels that nvcc made
//! (`data/data.cu`; `nvcc -ptx -arch=sm_80`) against the same source in Rust, and what nvcc does not write by hand.

use crate::machine::{OUT_LANE, Run};
use flashpage_emulator::{Launch, Memory, Module, Options, Sanitize};

fn launch(entry: &str, more: Vec<Vec<u8>>, shared: u32) -> Vec<u32> {
    let module = Module::load(include_str!("data/data.ptx")).unwrap();
    let mut memory = Memory::new();
    let out = memory.alloc(128, 16).unwrap();
    let mut params = vec![out.to_le_bytes().to_vec()];
    params.extend(more);
    let launch = Launch { params, dynamic_shared_bytes: shared, ..Launch::default() };
    let options = Options { sanitize: Sanitize::USUAL, ..Options::default() };
    module.launch(&mut memory, entry, &launch, &options).unwrap_or_else(|e| panic!("{entry}: {e}"));
    let mut bytes = [0; 128];
    memory.read(out, &mut bytes).unwrap();
    bytes.chunks_exact(4).map(|c| u32::from_le_bytes(c.try_into().unwrap())).collect()
}

#[test]
fn initial_values() {
    let grid = [[1.5f32, -2.0, 0.0], [3.0, 4.0, 0.25]];
    let shorts = [1i16, -2, 3, 0, 0];
    let want = (0..32usize).map(|t| {
        let mut sum = grid[t % 2][t % 3] * 100.0 + shorts[t % 5] as f32;
        sum += [1.0, 65504.0][t % 2] + -3.5;
        sum += ([10, 30][t % 2] + 1000 + [b"first\0", b"second"][t % 2][t % 5] as i32) as f32;
        sum + ([b'a' as i32 + 20, b'b' as i32 + 40][t % 2] as f32 + [0.5, 0.0][t % 2])
    });
    let got = launch("tables", vec![], 0).into_iter().map(f32::from_bits);
    for (t, (got, want)) in got.zip(want).enumerate() {
        // The order of the sums is the compiler's.
        assert!((got - want).abs() <= 0.01, "lane {t}: {got}, not {want}");
    }
}

#[test]
fn parameters_by_value() {
    let mut odd = vec![0u8; 32];
    odd[0] = 5;
    odd[2..4].copy_from_slice(&(-300i16).to_le_bytes());
    odd[4..7].copy_from_slice(&[1, 2, 3]);
    odd[8..12].copy_from_slice(&70000i32.to_le_bytes());
    odd[16..24].copy_from_slice(&(-12.75f64).to_le_bytes());
    odd[24] = 9;
    let map: Vec<u8> = (0..128).collect();
    let big: Vec<u8> = (0..8000i32).flat_map(|i| (i * 3).to_le_bytes()).collect();
    let got = launch("parameters", vec![odd, map, big, vec![0xff]], 0);
    let want: Vec<u32> = (0..32i32)
        .map(|t| (5 - 600 + (t % 3 + 1) * 3 + 70000 - 12 + 9 + t * 4 % 128 + t * 750 - 1) as u32)
        .collect();
    assert_eq!(got, want);
}

#[test]
fn shared_arrays() {
    let got = launch("shared_memory", vec![1000i32.to_le_bytes().to_vec()], 128);
    let want: Vec<u32> =
        (0..32u32).map(|t| (31 - t) * (31 - t) + (1 - t / 16) * 16 + t % 16 + 7 * (t % 3) + 1000).collect();
    assert_eq!(got, want);
}

#[test]
fn scopes_of_inline_assembly() {
    let want: Vec<u32> = (0..32i32)
        .map(|t| {
            let (r, s) = (if t > 7 { 5 } else { 105 }, 18 + t);
            let s = [s + 1, s * 3, s - t, s ^ 0x55, -s, s << 2, s % 5, s | 0x100, s][t as usize % 9];
            (r * 1000 + s) as u32
        })
        .collect();
    assert_eq!(launch("inline_assembly", vec![], 0), want);
}

/// What compilers rarely write: nested lists, one byte of an address, `generic()`, a parameter at odd offsets and
/// through its generic address.
#[test]
fn by_hand() {
    let text = |body: &str| {
        format!(
            ".version 8.0\n.target sm_80\n.address_size 64
            .global .align 4 .u16 deep[2][2][3] = {{ {{ {{1, 2, 3}}, {{4}} }}, {{ {{}}, {{7, 8}} }} }};
            .global .f32 floats[] = {{ 0f3F800000, 2.5, -1.0 }};
            .global .u64 places[3] = {{ deep, generic(deep)+6, floats }};
            .global .b8 bytes[8] = {{ 0xFF(deep), 0xFF00(deep), 0xFF0000(deep), 0xFF000000(deep), 0xFF00000000(deep), 0xFF0000000000(deep), 0, 0 }};
            .const .b32 mask = ~0xff; .const .b32 single = 1.5; .const .b64 double = 1.5;
            .visible .entry k(.param .u64 in, .param .u64 out, .param .align 8 .b8 odd[16]) {{
            .reg .b16 %h<9>; .reg .b32 %r<64>; .reg .b64 %rd<16>; .reg .b64 %out; .reg .pred %p<3>;
            ld.param.u64 %out, [out]; {OUT_LANE}\n{body}\nst.global.u32 [%rd0], %r0; ret; }}"
        )
    };
    let rows: &[(&str, u32)] = &[
        ("ld.global.u16 %h1, [deep+2]; cvt.u32.u16 %r0, %h1;", 2),
        ("ld.global.u16 %h1, [deep+6]; cvt.u32.u16 %r0, %h1;", 4),
        ("ld.global.u16 %h1, [deep+8]; cvt.u32.u16 %r0, %h1;", 0),
        ("ld.global.u16 %h1, [deep+20]; cvt.u32.u16 %r0, %h1;", 8),
        ("ld.global.b32 %r0, [floats+4];", 0x4020_0000),
        ("ld.global.u64 %rd1, [places+8]; ld.u16 %h1, [%rd1]; cvt.u32.u16 %r0, %h1;", 4),
        (
            "ld.global.u64 %rd1, [bytes]; mov.u64 %rd2, deep; sub.u64 %rd1, %rd1, %rd2; cvt.u32.u64 %r0, %rd1;",
            0,
        ),
        ("ld.const.b32 %r0, [mask];", 0xffff_ff00),
        ("ld.const.b32 %r0, [single];", 0x3fc0_0000),
        ("ld.const.b32 %r0, [double+4];", 0x3ff8_0000),
        ("ld.param.u8 %r0, [odd+3];", 3),
        ("ld.param.v2.u16 {%h1, %h2}, [odd+4]; mov.b32 %r0, {%h1, %h2};", 0x0706_0504),
        ("mov.b64 %rd1, odd; cvta.param.u64 %rd1, %rd1; ld.b32 %r0, [%rd1+8];", 0x0b0a_0908),
        ("mov.b64 %rd1, odd; ld.param.b64 %rd2, [%rd1+8]; cvt.u32.u64 %r0, %rd2;", 0x0b0a_0908),
        (
            "mov.b64 %rd1, odd; cvta.param.u64 %rd1, %rd1; isspacep.param %p1, %rd1; selp.b32 %r0, 1, 0, %p1;",
            1,
        ),
        // A register of the same name inside, its own label, and the outer one afterwards.
        ("mov.u32 %r0, 3; { .reg .b32 %r0; mov.u32 %r0, 8; { bra L; L: } } L: add.u32 %r0, %r0, 1;", 4),
    ];
    for (body, want) in rows {
        let module = Module::load(&text(body)).unwrap_or_else(|e| panic!("{body}: {e}"));
        let mut memory = Memory::new();
        let out = memory.alloc(128, 16).unwrap();
        let params = vec![vec![0; 8], out.to_le_bytes().to_vec(), (0..16).collect()];
        let launch = Launch { params, ..Launch::default() };
        let options = Options { sanitize: Sanitize::USUAL, ..Options::default() };
        module.launch(&mut memory, "k", &launch, &options).unwrap_or_else(|e| panic!("{body}: {e}"));
        let mut bytes = [0; 4];
        memory.read(out, &mut bytes).unwrap();
        assert_eq!(u32::from_le_bytes(bytes), *want, "{body}");
    }
    for (declaration, want) in [
        (".global .f16 x[2] = { 1.0, 2.0 };", "cannot be an initial value"),
        (".global .f32 x = 1;", "cannot be an initial value"),
        (".global .b16 x = 1.5;", "cannot be an initial value"),
        (".global .b8 x[2] = { 1, 2, 3 };", "more initial values than elements"),
        (".global .u64 x = nowhere;", "not known here"),
    ] {
        let text =
            format!(".version 8.0\n.target sm_80\n.address_size 64\n{declaration}\n.entry k() {{ ret; }}");
        let error = Module::load(&text).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(want) && error.starts_with("line 4"), "{declaration}: {error}");
    }
}

#[test]
fn register_counts_of_a_warpgroup() {
    let load = |n: &str| {
        let mut run = Run::new(&format!("setmaxnreg.dec.sync.aligned.u32 {n};"));
        run.text = run.text.replace("sm_80", "sm_90a");
        Module::load(&run.text).map(|_| ()).map_err(|e| e.to_string())
    };
    assert_eq!((load("24"), load("256")), (Ok(()), Ok(())));
    for n in ["16", "264", "30", "%r1"] {
        assert!(load(n).unwrap_err().contains("a multiple of 8 from 24 to 256"), "{n}");
    }
}

/// A register and a family of the same stem stand side by side, and the innermost declaration of a name is meant.
#[test]
fn registers_and_families_of_one_stem() {
    let rows: &[(&str, u32)] = &[
        (".reg .u32 a, a<2>; mov.u32 a, 1; mov.u32 a0, 20; mov.u32 a1, 300; add.u32 a, a, a0; add.u32 $, a, a1;", 321),
        (".reg .u32 a<2>, a; mov.u32 a, 1; mov.u32 a1, 300; add.u32 $, a, a1;", 301),
        (".reg .b32 a; .reg .f16 a<2>; mov.b32 a, 1; mov.b16 a1, 2; cvt.u32.u16 $, a1; add.u32 $, $, a;", 3),
        (".reg .b32 %a; .reg .f16 %a<2>; mov.b32 %a, 1; mov.b16 %a1, 2; cvt.u32.u16 $, %a1; add.u32 $, $, %a;", 3),
        // Beyond the family the name is free, and a stem may end in digits itself.
        (".reg .b32 a5, a<2>; mov.b32 a5, 5; mov.b32 a1, 1; add.u32 $, a5, a1;", 6),
        (".reg .b32 %a1<3>, %a<3>; mov.b32 %a12, 12; mov.b32 %a2, 2; add.u32 $, %a12, %a2;", 14),
        // An inner plain one hides one of the outer family, and no other.
        (".reg .b32 a<2>; mov.b32 a0, 1; mov.b32 a1, 2; { .reg .b64 a1; mov.b64 a1, 7; mov.b32 a0, 10; }
          add.u32 $, a0, a1;", 12),
        // An inner family hides an outer plain one, as far as it goes.
        (".reg .b64 a1, a7; mov.b64 a1, 1; mov.b64 a7, 7; { .reg .b32 a<2>; mov.b32 a1, 9; mov.b64 a7, 50; }
          add.u64 a1, a1, a7; cvt.u32.u64 $, a1;", 51),
        (".reg .b32 a<9>; mov.b32 a1, 1; mov.b32 a7, 7; { .reg .b64 a<2>; mov.b64 a1, 9; mov.b32 a7, 50; }
          add.u32 $, a1, a7;", 51),
        // The stem itself is hidden by neither.
        (".reg .b32 a; mov.b32 a, 3; { .reg .b64 a<2>; mov.b64 a0, 9; add.u32 a, a, 1; } mov.b32 $, a;", 4),
        (".reg .b32 a<2>; .shared .b32 a; mov.b32 a1, 3; mov.b32 $, a1;", 3),
    ];
    for (body, want) in rows {
        let body = format!("{OUT_LANE} {{ {} }} st.global.u32 [%rd0], %r1;", body.replace('$', "%r1"));
        assert_eq!(Run::new(&body).output(128).words(), [*want; 32], "{body}");
    }
}

#[test]
fn vectors_of_bytes_and_of_special_registers() {
    let body = format!(
        ".reg .b8 %c<4>;\n{OUT_LANE}\n\
         mov.b32 {{%c0, %c1, %c2, %c3}}, 0x84030201;\n\
         mov.b32 %r1, {{%c3, %c0, %c1, %c2}};\n\
         mov.b16 %h1, {{%c3, %c1}};\n\
         mov.b16 {{%c2, %c0}}, %h1;\n\
         mov.b32 %r2, {{%c0, %c2, %c1, %c3}};\n\
         cvt.u32.u16 %r3, %h1;\n\
         mov.v4.u32 {{%r4, %r5, _, %r6}}, %ntid;\n\
         st.global.v2.u32 [%out], {{%r1, %r2}};\n\
         st.global.v4.u32 [%out+16], {{%r3, %r4, %r5, %r6}};"
    );
    let words = Run::new(&body).words();
    assert_eq!(words[..2], [0x0302_0184, 0x8402_8402]);
    assert_eq!(words[4..8], [0x0284, 32, 1, 0]);
    assert!(Module::load(&Run::new("mov.v4.u32 {%r1, %r2, %r3, %r4}, %r5;").text).is_err());
}
