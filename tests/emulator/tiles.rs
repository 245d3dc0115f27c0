//! The rarer matrix products, by the layouts that the ISA gives element by element, and `wmma` by kernels that nvcc
//! made from its C++ interface (`data/wmma.cu`; `nvcc -ptx -arch=sm_80`).

use flashpage_emulator::{Launch, Memory, Module, Options, Sanitize};
use half::{bf16, f16};

/// Row and column of element `i` of a lane.
type Place = fn(lane: usize, i: usize) -> (usize, usize);

fn small(i: usize) -> i64 {
    ((i * 7 + i / 5) % 9) as i64 - 4
}

/// A small whole number in a type, as bits.
fn encode(ty: &str, x: i64) -> u64 {
    let sign = |bits: u64, of: u64| if x < 0 { bits | of } else { bits };
    let at = x.unsigned_abs() as usize;
    match ty {
        "f16" => f16::from_f64(x as f64).to_bits() as u64,
        "bf16" => bf16::from_f64(x as f64).to_bits() as u64,
        "tf32" | "f32" => (x as f32).to_bits() as u64,
        "f64" => (x as f64).to_bits(),
        "e4m3" => sign([0, 0x38, 0x40, 0x44, 0x48][at], 0x80),
        "e5m2" => sign([0, 0x3c, 0x40, 0x42, 0x44][at], 0x80),
        "s32" => x as u32 as u64,
        "s8" | "u8" => x as u8 as u64,
        _ => x as u64 & if ty == "b1" { 1 } else { 0xf },
    }
}

/// The small numbers of a type.
fn range(ty: &str, x: i64) -> i64 {
    match ty {
        "u8" | "u4" => x.abs(),
        "b1" => x & 1,
        _ => x,
    }
}

fn bits(ty: &str) -> usize {
    match ty {
        "f64" => 64,
        "f32" | "s32" | "tf32" => 32,
        "f16" | "bf16" => 16,
        "s4" | "u4" => 4,
        "b1" => 1,
        _ => 8,
    }
}

/// Registers of every lane from a matrix: register after register, each of all lanes.
fn fragment(ty: &str, elements: usize, place: impl Fn(usize, usize) -> i64) -> Vec<u8> {
    let register = bits(ty).max(32);
    let per = register / bits(ty);
    let mut out = Vec::new();
    for r in 0..elements / per {
        for lane in 0..32 {
            let word =
                (0..per).fold(0u64, |word, j| word | encode(ty, place(lane, r * per + j)) << (j * bits(ty)));
            out.extend_from_slice(&word.to_le_bytes()[..register / 8]);
        }
    }
    out
}

struct Case {
    instruction: &'static str,
    /// of D, A, B, C
    types: [&'static str; 4],
    shape: [usize; 3],
    a: Place,
    b: Place,
    c: Place,
    d: Place,
    parts: usize,
}

fn run(case: &Case) {
    let Case { instruction, types: [td, ta, tb, tc], shape: [m, n, k], parts, .. } = *case;
    let lanes = 32 / parts;
    let part = |lane: usize| if parts == 4 { lane / 4 % 4 } else { 0 };
    let a = |p: usize, (i, d): (usize, usize)| range(ta, small(p * 31 + i * k + d));
    let b = |p: usize, (d, j): (usize, usize)| range(tb, small(p * 17 + d * n + j + 5));
    let c = |p: usize, (i, j): (usize, usize)| small(p * 11 + i * n + j + 2);
    let counts = [m * n / lanes, m * k / lanes, n * k / lanes, m * n / lanes];
    let inputs = [
        fragment(ta, counts[1], |l, i| a(part(l), (case.a)(l, i))),
        fragment(tb, counts[2], |l, i| b(part(l), (case.b)(l, i))),
        fragment(tc, counts[3], |l, i| c(part(l), (case.c)(l, i))),
    ];
    let mut body = String::from(
        "mov.u32 %r60, %tid.x; mul.wide.u32 %rd50, %r60, 4; mul.wide.u32 %rd51, %r60, 8; add.u64 %rd52, %in, %rd50; add.u64 %rd53, %in, %rd51; add.u64 %rd54, %out, %rd50; add.u64 %rd55, %out, %rd51;\n",
    );
    let mut at = 0;
    let mut next = 0;
    let mut lists = Vec::new();
    for (ty, data) in [ta, tb, tc].into_iter().zip(&inputs) {
        let (name, width, base) = if ty == "f64" { ("rd", 8, 53) } else { ("r", 4, 52) };
        let count = data.len() / (32 * width);
        for r in 0..count {
            body += &format!(
                "ld.global.b{} %{name}{}, [%rd{base}+{}];\n",
                8 * width,
                next + r,
                at + 32 * width * r
            );
        }
        lists.push((next..next + count).map(|r| format!("%{name}{r}")).collect::<Vec<_>>().join(", "));
        next += count;
        at += data.len();
    }
    let (name, width, base) = if td == "f64" { ("rd", 8, 55) } else { ("r", 4, 54) };
    let results = counts[0] * bits(td) / (8 * width);
    let list = (0..results).map(|r| format!("%{name}{}", 40 + r)).collect::<Vec<_>>().join(", ");
    body += &format!("{instruction} {{{list}}}, {{{}}}, {{{}}}, {{{}}};\n", lists[0], lists[1], lists[2]);
    for r in 0..results {
        body += &format!("st.global.b{} [%rd{base}+{}], %{name}{};\n", 8 * width, 32 * width * r, 40 + r);
    }
    let mut run = crate::machine::Run::new(&body).output(32 * width * results);
    run.text = run.text.replace("sm_80", "sm_90a");
    run.input = inputs.concat();
    let (got, _) = run.bytes().unwrap_or_else(|e| panic!("{instruction}: {e}"));
    let want = fragment(td, counts[0], |lane, i| {
        let (p, (row, column)) = (part(lane), (case.d)(lane, i));
        (0..k).fold(c(p, (row, column)), |sum, d| {
            let (x, y) = (a(p, (row, d)), b(p, (d, column)));
            sum + if instruction.contains("xor") { x ^ y } else { x * y }
        })
    });
    assert_eq!(got, want, "{instruction}");
}

/// Accumulators of eight and of sixteen rows.
const C8: Place = |l, i| (l / 4, l % 4 * 2 + i);
const C16: Place = |l, i| (if i < 2 { l / 4 } else { l / 4 + 8 }, l % 4 * 2 + (i & 1));

#[test]
fn products_of_rare_types() {
    let s4_a: Place = |l, i| {
        (
            if i < 8 || (16..24).contains(&i) { l / 4 } else { l / 4 + 8 },
            l % 4 * 8 + (i & 7) + if i < 16 { 0 } else { 32 },
        )
    };
    let s4_b: Place = |l, i| (l % 4 * 8 + (i & 7) + if i < 8 { 0 } else { 32 }, l / 4);
    let b1_a: Place = |l, i| {
        (
            if i < 32 || (64..96).contains(&i) { l / 4 } else { l / 4 + 8 },
            l % 4 * 32 + (i & 31) + if i < 64 { 0 } else { 128 },
        )
    };
    let b1_b: Place = |l, i| (l % 4 * 32 + (i & 31) + if i < 32 { 0 } else { 128 }, l / 4);
    let byte_a: Place = |l, i| {
        (
            if i < 4 || (8..12).contains(&i) { l / 4 } else { l / 4 + 8 },
            l % 4 * 4 + (i & 3) + if i < 8 { 0 } else { 16 },
        )
    };
    let byte_b: Place = |l, i| (l % 4 * 4 + (i & 3) + if i < 4 { 0 } else { 16 }, l / 4);
    let f64_a: Place = |l, i| (if i % 2 == 0 { l / 4 } else { l / 4 + 8 }, i / 2 * 4 + l % 4);
    let f64_b: Place = |l, i| (i * 4 + l % 4, l / 4);
    let case =
        |instruction, types, shape, a, b, c| Case { instruction, types, shape, a, b, c, d: c, parts: 1 };
    let mut cases = vec![
        case(
            "mma.sync.aligned.m8n8k16.row.col.s32.s8.u8.s32",
            ["s32", "s8", "u8", "s32"],
            [8, 8, 16],
            byte_a,
            byte_b,
            C8,
        ),
        case(
            "mma.sync.aligned.m8n8k32.row.col.s32.s4.u4.s32",
            ["s32", "s4", "u4", "s32"],
            [8, 8, 32],
            s4_a,
            s4_b,
            C8,
        ),
        case(
            "mma.sync.aligned.m16n8k32.row.col.s32.u4.s4.s32",
            ["s32", "u4", "s4", "s32"],
            [16, 8, 32],
            s4_a,
            s4_b,
            C16,
        ),
        case(
            "mma.sync.aligned.m16n8k64.row.col.s32.s4.s4.s32",
            ["s32", "s4", "s4", "s32"],
            [16, 8, 64],
            s4_a,
            s4_b,
            C16,
        ),
        case(
            "mma.sync.aligned.m8n8k128.row.col.s32.b1.b1.s32.xor.popc",
            ["s32", "b1", "b1", "s32"],
            [8, 8, 128],
            b1_a,
            b1_b,
            C8,
        ),
        case(
            "mma.sync.aligned.m16n8k128.row.col.s32.b1.b1.s32.and.popc",
            ["s32", "b1", "b1", "s32"],
            [16, 8, 128],
            b1_a,
            b1_b,
            C16,
        ),
        case(
            "mma.sync.aligned.m16n8k256.row.col.s32.b1.b1.s32.xor.popc",
            ["s32", "b1", "b1", "s32"],
            [16, 8, 256],
            b1_a,
            b1_b,
            C16,
        ),
        case(
            "mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64",
            ["f64"; 4],
            [8, 8, 4],
            |l, _| (l / 4, l % 4),
            f64_b,
            C8,
        ),
        case("mma.sync.aligned.m16n8k4.row.col.f64.f64.f64.f64", ["f64"; 4], [16, 8, 4], f64_a, f64_b, C16),
        case(
            "mma.sync.aligned.m16n8k8.row.col.rz.f64.f64.f64.f64",
            ["f64"; 4],
            [16, 8, 8],
            f64_a,
            f64_b,
            C16,
        ),
        case(
            "mma.sync.aligned.m16n8k16.row.col.rm.f64.f64.f64.f64",
            ["f64"; 4],
            [16, 8, 16],
            f64_a,
            f64_b,
            C16,
        ),
    ];
    for (instruction, sum, a, b, k) in [
        ("mma.sync.aligned.m16n8k32.row.col.f32.e4m3.e5m2.f32", "f32", "e4m3", "e5m2", 32),
        ("mma.sync.aligned.m16n8k32.row.col.f16.e5m2.e4m3.f16", "f16", "e5m2", "e4m3", 32),
        ("mma.sync.aligned.m16n8k16.row.col.f32.e4m3.e4m3.f32", "f32", "e4m3", "e4m3", 16),
        ("mma.sync.aligned.m16n8k16.row.col.f16.e5m2.e5m2.f16", "f16", "e5m2", "e5m2", 16),
    ] {
        cases.push(case(instruction, [sum, a, b, sum], [16, 8, k], byte_a, byte_b, C16));
    }
    cases.iter().for_each(run);
}

/// Four products at once, each of the lanes `4 q ..` and `16 + 4 q ..`.
#[test]
fn products_of_quarters_of_a_warp() {
    let a_row: Place = |l, i| (l % 4 + if l < 16 { 0 } else { 4 }, i);
    let a_col: Place = |l, i| (i % 4 + if l < 16 { 0 } else { 4 }, l % 4);
    let b_row: Place = |l, i| (l % 4, i + if l < 16 { 0 } else { 4 });
    let b_col: Place = |l, i| (i, l % 4 + if l < 16 { 0 } else { 4 });
    let half: Place = |l, i| (l % 4 + if l < 16 { 0 } else { 4 }, i);
    let single: Place = |l, i| ((l & 1) + (i & 2) + if l < 16 { 0 } else { 4 }, (i & 4) + (l & 2) + (i & 1));
    for (instruction, a, b, tc, td) in [
        ("mma.sync.aligned.m8n8k4.row.row.f32.f16.f16.f32", a_row, b_row, "f32", "f32"),
        ("mma.sync.aligned.m8n8k4.row.col.f32.f16.f16.f32", a_row, b_col, "f32", "f32"),
        ("mma.sync.aligned.m8n8k4.col.row.f32.f16.f16.f32", a_col, b_row, "f32", "f32"),
        ("mma.sync.aligned.m8n8k4.col.col.f32.f16.f16.f16", a_col, b_col, "f16", "f32"),
        ("mma.sync.aligned.m8n8k4.row.col.f16.f16.f16.f16", a_row, b_col, "f16", "f16"),
    ] {
        let of = |ty| if ty == "f32" { single } else { half };
        run(&Case {
            instruction,
            types: [td, "f16", "f16", tc],
            shape: [8, 8, 4],
            a,
            b,
            c: of(tc),
            d: of(td),
            parts: 4,
        });
    }
}

#[test]
fn wmma_from_nvcc() {
    let module = Module::load(include_str!("data/wmma.ptx")).unwrap();
    // kernel, type of the factors and of the sums, shape, whether A, B and C are stored row by row
    type Row = (&'static str, &'static str, &'static str, [usize; 3], [bool; 3]);
    let rows: &[Row] = &[
        ("f16_16", "f16", "f32", [16, 16, 16], [true, false, true]),
        ("f16_32", "f16", "f32", [32, 8, 16], [false, true, false]),
        ("f16_8", "f16", "f16", [8, 32, 16], [true, true, true]),
        ("bf16_16", "bf16", "f32", [16, 16, 16], [true, false, true]),
        ("bf16_32", "bf16", "f32", [32, 8, 16], [false, false, true]),
        ("bf16_8", "bf16", "f32", [8, 32, 16], [true, true, false]),
        ("tf32_16", "tf32", "f32", [16, 16, 8], [true, false, true]),
        ("s8_16", "s8", "s32", [16, 16, 16], [true, false, true]),
        ("s8_32", "s8", "s32", [32, 8, 16], [true, true, true]),
        ("s8_8", "s8", "s32", [8, 32, 16], [false, false, true]),
        ("f64_8", "f64", "f64", [8, 8, 4], [true, false, true]),
    ];
    for (name, factor, sum, [m, n, k], [a_rows, b_rows, c_rows]) in rows {
        let (m, n, k) = (*m, *n, *k);
        let store = |ty: &str,
                     (rows, columns): (usize, usize),
                     by_rows: bool,
                     value: &dyn Fn(usize, usize) -> i64| {
            let mut out = Vec::new();
            for i in 0..rows * columns {
                let (row, column) = if by_rows { (i / columns, i % columns) } else { (i % rows, i / rows) };
                out.extend_from_slice(&encode(ty, value(row, column)).to_le_bytes()[..bits(ty) / 8]);
            }
            out
        };
        let a = |i: usize, d: usize| small(i * k + d);
        let b = |d: usize, j: usize| small(d * n + j + 5);
        let c = |i: usize, j: usize| small(i * n + j + 2);
        let want =
            store(sum, (m, n), *c_rows, &|i, j| (0..k).fold(2 * c(i, j), |s, d| s + a(i, d) * b(d, j)));
        let mut memory = Memory::new();
        let mut params = Vec::new();
        for data in [
            store(factor, (m, k), *a_rows, &a),
            store(factor, (k, n), *b_rows, &b),
            store(sum, (m, n), *c_rows, &c),
            vec![0; want.len()],
        ] {
            let address = memory.alloc(data.len(), 32).unwrap();
            memory.write(address, &data).unwrap();
            params.push(address.to_le_bytes().to_vec());
        }
        let out = u64::from_le_bytes(params[3].clone().try_into().unwrap());
        let launch = Launch { params, ..Launch::default() };
        let options = Options { sanitize: Sanitize::USUAL, ..Options::default() };
        module.launch(&mut memory, name, &launch, &options).unwrap_or_else(|e| panic!("{name}: {e}"));
        let mut got = vec![0; want.len()];
        memory.read(out, &mut got).unwrap();
        assert_eq!(got, want, "{name}");
    }
}

/// Fragments go through shared memory like everything else: what another warp has stored is there after a barrier, and
/// a race before it.
#[test]
fn wmma_takes_part_in_races() {
    let body = |barrier: &str| {
        format!(
            ".shared .align 32 .b8 S[2048]; mov.u32 %r50, S; mov.u32 %r60, %tid.x; shl.b32 %r61, %r60, 4; add.u32 %r51, %r50, %r61;
             setp.ge.u32 %p1, %r60, 32; mov.u32 %r1, 0;
             @%p1 bra LATER; wmma.store.d.sync.aligned.row.m16n16k16.shared.f32 [%r50], {{%r1, %r1, %r1, %r1, %r1, %r1, %r1, %r1}}, 16;
             LATER: {barrier} @!%p1 bra END;
             wmma.load.c.sync.aligned.col.m16n16k16.shared.f32 {{%r2, %r3, %r4, %r5, %r6, %r7, %r8, %r9}}, [%r50];
             END: st.global.u32 [%out], %r1;"
        )
    };
    crate::machine::Run::new(&body("bar.sync 0;")).block(64).words();
    let fault = crate::machine::Run::new(&body("")).block(64).fault().to_string();
    assert!(fault.starts_with("race: a read of shared memory"), "{fault}");
}
