//! Matrix fragments: layouts enumerated element by element, and a product that goes all the way.

use crate::machine::Run;
use flashpage_emulator::{AsyncPolicy, Launch, Memory, Module, Options, Sanitize};
use half::{bf16, f16};

/// Small integers, which every format and every sum here holds exactly.
fn small(i: usize) -> f32 {
    ((i * 7 + i / 5) % 9) as f32 - 4.0
}

fn product(a: &[f32], b: &[f32], m: usize, n: usize, k: usize) -> Vec<f32> {
    (0..m * n).map(|i| (0..k).map(|d| a[i / n * k + d] * b[d * n + i % n]).sum()).collect()
}

/// A whole small matrix product from a file, under every policy.
#[test]
fn a_product_through_shared_memory() {
    let a: Vec<f32> = (0..16 * 32).map(small).collect();
    let b: Vec<f32> = (0..32 * 8).map(|i| small(i + 3)).collect();
    let bytes = |m: &[f32]| m.iter().flat_map(|x| f16::from_f32(*x).to_le_bytes()).collect::<Vec<u8>>();
    let module = Module::load(include_str!("data/matmul.ptx")).unwrap();
    assert_eq!(module.entries().next().unwrap().required_block, Some([32, 1, 1]));
    for policy in [AsyncPolicy::Eager, AsyncPolicy::Lazy, AsyncPolicy::Random(1), AsyncPolicy::Random(2)] {
        let mut memory = Memory::new();
        let mut params = Vec::new();
        for data in [bytes(&a), bytes(&b), vec![0xff; 512]] {
            let address = memory.alloc(data.len(), 16).unwrap();
            memory.write(address, &data).unwrap();
            params.push(address.to_le_bytes().to_vec());
        }
        let out = u64::from_le_bytes(params[2].clone().try_into().unwrap());
        let launch = Launch { params, ..Launch::default() };
        let options = Options { policy, sanitize: Sanitize::USUAL, ..Options::default() };
        let report = module.launch(&mut memory, "matmul", &launch, &options).unwrap();
        assert_eq!(report.by_opcode[&flashpage_ptx::words::Opcode::Mma], 2);
        let mut c = vec![0; 512];
        memory.read(out, &mut c).unwrap();
        let c: Vec<f32> = c.chunks_exact(4).map(|c| f32::from_le_bytes(c.try_into().unwrap())).collect();
        assert_eq!(c, product(&a, &b, 16, 8, 32), "{policy:?}");
    }
}

/// Without the waits, a lazy copy has not arrived when it is read.
#[test]
fn a_missing_wait_is_found() {
    let text = include_str!("data/matmul.ptx")
        .replace("cp.async.wait_group 0;", "")
        .replace("cp.async.wait_group 1;", "");
    let module = Module::load(&text).unwrap();
    let mut memory = Memory::new();
    let mut params = Vec::new();
    for size in [1024, 512, 512] {
        let address = memory.alloc(size, 16).unwrap();
        memory.write(address, &vec![0; size]).unwrap();
        params.push(address.to_le_bytes().to_vec());
    }
    let launch = Launch { params, ..Launch::default() };
    let options = Options { policy: AsyncPolicy::Lazy, sanitize: Sanitize::USUAL, ..Options::default() };
    let fault = module.launch(&mut memory, "matmul", &launch, &options).unwrap_err();
    let site = fault.site.as_ref().unwrap();
    assert!(site.instruction.starts_with("ldmatrix.sync.aligned.m8n8.x4.shared.b16"), "{fault}");
    let want = "read of shared memory at 0x0, which a cp.async may still write: nothing waited for it";
    assert!(fault.to_string().starts_with(want), "{fault}");
}

/// A product whose fragments are filled by hand, by the layout that the ISA draws: word `r` of lane `l` comes from
/// `32 r + l` of the input, A first.
fn fragments(shape: &str, types: &str, words: (usize, usize, usize), input: &[u32]) -> Vec<u32> {
    let (a, b, c) = words;
    let list = |from: usize, count: usize| {
        let names: Vec<String> = (from..from + count).map(|r| format!("%r{r}")).collect();
        format!("{{{}}}", names.join(", "))
    };
    let mut body = "mov.u32 %r60, %tid.x; mul.wide.u32 %rd1, %r60, 4; add.u64 %rd2, %in, %rd1; add.u64 %rd3, %out, %rd1;\n".to_string();
    for r in 0..a + b + c {
        body += &format!("ld.global.u32 %r{r}, [%rd2+{}];\n", 128 * r);
    }
    let d = if types.starts_with("f16") { 2 } else { 4 };
    body += &format!(
        "mma.sync.aligned.{shape}.row.col.{types} {}, {}, {}, {};\n",
        list(40, d),
        list(0, a),
        list(a, b),
        list(a + b, c)
    );
    for r in 0..d {
        body += &format!("st.global.u32 [%rd3+{}], %r{};\n", 128 * r, 40 + r);
    }
    Run::new(&body).input_words(input.iter().copied()).output(128 * d).words()
}

/// Every shape and type: A, B and C are packed into fragments here, and D is unpacked.
#[test]
fn products_of_every_type() {
    // shape, types, elements in a register, depth, whether C and D are halves
    type Encode = fn(f32) -> u32;
    let rows: &[(&str, &str, usize, usize, bool, Encode)] = &[
        ("m16n8k16", "f32.f16.f16.f32", 2, 16, false, |x| f16::from_f32(x).to_bits() as u32),
        ("m16n8k8", "f32.f16.f16.f32", 2, 8, false, |x| f16::from_f32(x).to_bits() as u32),
        ("m16n8k16", "f16.f16.f16.f16", 2, 16, true, |x| f16::from_f32(x).to_bits() as u32),
        ("m16n8k8", "f16.f16.f16.f16", 2, 8, true, |x| f16::from_f32(x).to_bits() as u32),
        ("m16n8k16", "f32.bf16.bf16.f32", 2, 16, false, |x| bf16::from_f32(x).to_bits() as u32),
        ("m16n8k8", "f32.bf16.bf16.f32", 2, 8, false, |x| bf16::from_f32(x).to_bits() as u32),
        ("m16n8k8", "f32.tf32.tf32.f32", 1, 8, false, |x| x.to_bits()),
        ("m16n8k4", "f32.tf32.tf32.f32", 1, 4, false, |x| x.to_bits()),
        ("m16n8k32", "s32.s8.s8.s32", 4, 32, false, |x| x as i8 as u8 as u32),
        ("m16n8k16", "s32.s8.s8.s32", 4, 16, false, |x| x as i8 as u8 as u32),
    ];
    for (shape, types, per, depth, halves, encode) in rows {
        let (per, depth) = (*per, *depth);
        let integer = types.starts_with("s32");
        let a: Vec<f32> = (0..16 * depth).map(small).collect();
        let b: Vec<f32> = (0..8 * depth).map(|i| small(i + 5)).collect();
        let c: Vec<f32> = (0..128).map(|i| small(i + 2)).collect();
        let bits = 32 / per;
        let pack = |elements: Vec<f32>| {
            elements.iter().enumerate().fold(0u32, |word, (i, x)| word | (encode(*x) << ((bits * i) % 32)))
        };
        let pack = |elements: Vec<f32>| if per == 1 { encode(elements[0]) } else { pack(elements) };
        let mut input = Vec::new();
        let (words_a, words_b) = (2 * depth / (4 * per), depth / (4 * per));
        for r in 0..words_a {
            for lane in 0..32 {
                let row = lane / 4 + 8 * (r % 2);
                let first = r / 2 * 4 * per + lane % 4 * per;
                input.push(pack((first..first + per).map(|k| a[row * depth + k]).collect()));
            }
        }
        for r in 0..words_b {
            for lane in 0..32 {
                let first = r * 4 * per + lane % 4 * per;
                input.push(pack((first..first + per).map(|k| b[k * 8 + lane / 4]).collect()));
            }
        }
        let words_c = if *halves { 2 } else { 4 };
        let at = |r: usize, lane: usize| (lane / 4 + 8 * (r / 2)) * 8 + 2 * (lane % 4) + r % 2;
        let number = |x: f32| if integer { x as i32 as u32 } else { x.to_bits() };
        for r in 0..words_c {
            for lane in 0..32 {
                input.push(if *halves {
                    let (x, y) = (c[at(2 * r, lane)], c[at(2 * r + 1, lane)]);
                    encode(x) | encode(y) << 16
                } else {
                    number(c[at(r, lane)])
                });
            }
        }
        let got = fragments(shape, types, (words_a, words_b, words_c), &input);
        let mut want = product(&a, &b, 16, 8, depth);
        want.iter_mut().zip(&c).for_each(|(d, c)| *d += c);
        for r in 0..4 {
            for lane in 0..32 {
                let want = want[at(r, lane)];
                let (got, want) = if *halves {
                    (got[32 * (r / 2) + lane] >> (16 * (r % 2)) & 0xffff, encode(want))
                } else {
                    (got[32 * r + lane], number(want))
                };
                assert_eq!(got, want, "{shape} {types}: register {r} of lane {lane}");
            }
        }
    }
}

#[test]
fn saturating_integers() {
    let mut input = vec![0x7f7f_7f7f; 32 * 6];
    input.extend(vec![i32::MAX as u32 - 5; 32 * 4]);
    assert_eq!(
        fragments("m16n8k32", "satfinite.s32.s8.s8.s32", (4, 2, 4), &input),
        vec![i32::MAX as u32; 128]
    );
    let wrapped = (i32::MAX - 5).wrapping_add(32 * 127 * 127) as u32;
    assert_eq!(fragments("m16n8k32", "s32.s8.s8.s32", (4, 2, 4), &input), vec![wrapped; 128]);
}

/// `stmatrix` and `ldmatrix` with and without `.trans`, and `movmatrix`: element (row, column) of matrix `j` is
/// `64 j + 8 row + column`.
#[test]
fn matrices_of_halves() {
    let load = "
        .shared .align 16 .b8 S[512];
        mov.u32 %r60, %tid.x; mul.wide.u32 %rd1, %r60, 16; add.u64 %rd2, %in, %rd1; mul.wide.u32 %rd3, %r60, 4; add.u64 %rd3, %out, %rd3;
        ld.global.v4.u32 {%r1, %r2, %r3, %r4}, [%rd2];
        mov.u32 %r5, S; shl.b32 %r6, %r60, 4; add.u32 %r5, %r5, %r6;
        st.shared.v4.u32 [%r5], {%r1, %r2, %r3, %r4};
        bar.sync 0;";
    let plain = |j: usize, lane: usize| {
        let first = 64 * j + 8 * (lane / 4) + 2 * (lane % 4);
        (first | (first + 1) << 16) as u32
    };
    let transposed = |j: usize, lane: usize| {
        let first = 64 * j + 8 * (2 * (lane % 4)) + lane / 4;
        (first | (first + 8) << 16) as u32
    };
    let first = |_: usize, lane: usize| plain(0, lane);
    let zero = |_: usize, _: usize| 0;
    type Layout<'l> = &'l dyn Fn(usize, usize) -> u32;
    let rows: &[(&str, [Layout; 4])] = &[
        ("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r10, %r11, %r12, %r13}, [%r5];", [&plain; 4]),
        ("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%r10, %r11, %r12, %r13}, [%r5];", [&transposed; 4]),
        ("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%r10, %r11}, [%r5];", [&plain, &plain, &zero, &zero]),
        ("ldmatrix.sync.aligned.m8n8.x1.trans.shared.b16 {%r10}, [%r5];", [&transposed, &zero, &zero, &zero]),
        (
            "ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r11}, [%r5]; movmatrix.sync.aligned.m8n8.trans.b16 %r10, %r11;",
            [&transposed, &first, &zero, &zero],
        ),
        (
            "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r20, %r21, %r22, %r23}, [%r5];
             bar.warp.sync -1; stmatrix.sync.aligned.m8n8.x4.trans.shared.b16 [%r5], {%r20, %r21, %r22, %r23};
             bar.warp.sync -1; ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r10, %r11, %r12, %r13}, [%r5];",
            [&transposed; 4],
        ),
    ];
    for (instructions, want) in rows {
        let zeros = "mov.u32 %r10, 0; mov.u32 %r11, 0; mov.u32 %r12, 0; mov.u32 %r13, 0;";
        let stores: String = (0..4).map(|r| format!("st.global.u32 [%rd3+{}], %r1{r};", 128 * r)).collect();
        let run = Run::new(&format!("{load}\n{zeros}\n{instructions}\n{stores}"))
            .input_words((0..128).map(|i| (2 * i) | ((2 * i + 1) << 16)))
            .output(512);
        let want: Vec<u32> = (0..128).map(|i| want[i / 32](i / 32, i % 32)).collect();
        assert_eq!(run.words(), want, "{instructions}");
    }
}
