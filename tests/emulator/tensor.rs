//! Tensor maps at work: boxes loaded, stored and reduced, against a model that goes element by element.

use flashpage_emulator::{
    AsyncPolicy, ElementType, Fault, Fill, Interleave, L2Promotion, Launch, Memory, Module, Options,
    Sanitize, Swizzle, TensorMap,
};

/// Bytes of shared memory for the box.
const BOX: usize = 32768;

/// A kernel that fills shared memory from `%buffer`, does `middle`, and copies shared memory back to `%buffer`.
/// `%box` is where the box is to be, `%bar` an mbarrier that expects one arrival.
fn kernel(middle: &str) -> String {
    format!(
        ".version 8.6\n.target sm_90a\n.address_size 64\n\
         .visible .entry k(.param .align 64 .b8 map[128], .param .u64 buffer, .param .u32 offset, .param .u32 c0,\n\
           .param .u32 c1, .param .u32 c2, .param .u32 c3, .param .u32 c4, .param .u64 scratch) {{\n\
         .shared .align 1024 .b8 all[{BOX}]; .shared .align 8 .b64 barrier;\n\
         .reg .b32 %r<16>; .reg .b32 %c<5>; .reg .b32 %box, %bar, %offset; .reg .b64 %rd<8>; .reg .b64 %map, %buffer;\n\
         .reg .pred %p<4>;\n\
         ld.param.u64 %buffer, [buffer]; ld.param.u32 %offset, [offset];\n\
         ld.param.u32 %c0, [c0]; ld.param.u32 %c1, [c1]; ld.param.u32 %c2, [c2]; ld.param.u32 %c3, [c3];\n\
         ld.param.u32 %c4, [c4];\n\
         mov.b64 %map, map; cvta.param.u64 %map, %map;\n\
         mov.u32 %r0, all; add.u32 %box, %r0, %offset; mov.u32 %bar, barrier;\n\
         mov.u32 %r1, %tid.x; shl.b32 %r2, %r1, 2;\n\
         in: add.u32 %r3, %r0, %r2; cvt.u64.u32 %rd0, %r2; add.u64 %rd1, %buffer, %rd0;\n\
         ld.global.u32 %r4, [%rd1]; st.shared.u32 [%r3], %r4; add.u32 %r2, %r2, 128;\n\
         setp.lt.u32 %p0, %r2, {BOX}; @%p0 bra in;\n\
         setp.eq.u32 %p1, %r1, 0;\n\
         @%p1 mbarrier.init.shared.b64 [%bar], 1;\n\
         fence.proxy.async;\n\
         bar.sync 0;\n\
         {middle}\n\
         bar.sync 0;\n\
         shl.b32 %r2, %r1, 2;\n\
         out: add.u32 %r3, %r0, %r2; cvt.u64.u32 %rd0, %r2; add.u64 %rd1, %buffer, %rd0;\n\
         ld.shared.u32 %r4, [%r3]; st.global.u32 [%rd1], %r4; add.u32 %r2, %r2, 128;\n\
         setp.lt.u32 %p0, %r2, {BOX}; @%p0 bra out;\n\
         ret;\n}}\n"
    )
}

fn coordinates(rank: usize) -> String {
    ["%c0", "%c1", "%c2", "%c3", "%c4"][..rank].join(", ")
}

/// Loads the box, of so many bytes.
fn load(rank: usize, bytes: usize) -> String {
    let c = coordinates(rank);
    format!(
        "@%p1 mbarrier.arrive.expect_tx.shared.b64 _, [%bar], {bytes};\n\
         @%p1 cp.async.bulk.tensor.{rank}d.shared::cluster.global.tile.mbarrier::complete_tx::bytes \
         [%box], [%map, {{{c}}}], [%bar];\n\
         wait: mbarrier.try_wait.parity.shared.b64 %p2, [%bar], 0; @!%p2 bra wait;"
    )
}

/// Stores the box, or reduces with it.
fn store(rank: usize, reduction: &str) -> String {
    let c = coordinates(rank);
    let (cp, word) =
        if reduction.is_empty() { ("cp", String::new()) } else { ("cp.reduce", format!(".{reduction}")) };
    format!(
        "@%p1 {cp}.async.bulk.tensor.{rank}d.global.shared::cta{word}.tile.bulk_group [%map, {{{c}}}], [%box];\n\
         cp.async.bulk.commit_group;\n\
         cp.async.bulk.wait_group 0;"
    )
}

struct Case {
    map: TensorMap,
    coordinates: [i32; 5],
    offset: u32,
}

fn map(ty: ElementType, dims: &[u64], box_dims: &[u32], swizzle: Swizzle) -> TensorMap {
    let mut strides = vec![];
    let mut stride = (dims[0] * ty.bytes() as u64).next_multiple_of(16) + 16;
    for dim in &dims[1..] {
        strides.push(stride);
        stride *= dim;
    }
    TensorMap {
        ty,
        address: 0,
        dims: dims.to_vec(),
        strides,
        box_dims: box_dims.to_vec(),
        element_strides: vec![1; dims.len()],
        interleave: Interleave::None,
        swizzle,
        fill: Fill::Zeros,
        l2_promotion: L2Promotion::None,
    }
}

fn tensor_bytes(map: &TensorMap) -> usize {
    let last = map.dims.iter().skip(1).zip(&map.strides).map(|(d, s)| (d - 1) * s).sum::<u64>();
    (last + map.dims[0] * map.ty.bytes() as u64) as usize
}

fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as u8
    };
    (0..bytes).map(|_| next()).collect()
}

/// Runs a kernel; the tensor's and the buffer's bytes.
fn run(
    case: &Case,
    middle: &str,
    policy: AsyncPolicy,
    tensor: &[u8],
    buffer: &[u8],
) -> Result<[Vec<u8>; 2], Fault> {
    let text = kernel(middle);
    let module = Module::load(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    let mut memory = Memory::new();
    let address = memory.alloc(tensor.len(), 128).unwrap();
    memory.write(address, tensor).unwrap();
    let at = memory.alloc(BOX, 128).unwrap();
    memory.write(at, buffer).unwrap();
    let scratch = memory.alloc(128, 128).unwrap();
    let mut params = vec![];
    params.push(TensorMap { address, ..case.map.clone() }.encode().unwrap().to_vec());
    params.push(at.to_le_bytes().to_vec());
    params.push(case.offset.to_le_bytes().to_vec());
    params.extend(case.coordinates.map(|c| c.to_le_bytes().to_vec()));
    params.push(scratch.to_le_bytes().to_vec());
    let options =
        Options { sanitize: Sanitize::USUAL, instruction_budget: 1 << 22, policy, ..Options::default() };
    module.launch(&mut memory, "k", &Launch { params, ..Launch::default() }, &options)?;
    let mut result = [vec![0; tensor.len()], vec![0; BOX]];
    memory.read(address, &mut result[0]).unwrap();
    memory.read(at, &mut result[1]).unwrap();
    Ok(result)
}

/// Offset in the tensor of each element of the box, or none, and its offset in shared memory.
fn elements(case: &Case) -> Vec<(Option<usize>, usize)> {
    let map = &case.map;
    let (rank, size) = (map.dims.len(), map.ty.bytes() as usize);
    let counts: Vec<usize> = (0..5)
        .map(|i| match map.box_dims.get(i) {
            None => 1,
            Some(size) if i == 0 => *size as usize,
            Some(size) => size.div_ceil(map.element_strides[i]) as usize,
        })
        .collect();
    let (span, mask) = match map.swizzle {
        Swizzle::None => (counts[0] * size, 0),
        Swizzle::B32 => (32, 1),
        Swizzle::B64 => (64, 3),
        Swizzle::B128 => (128, 7),
    };
    let mut all = vec![];
    for index in 0..counts.iter().product::<usize>() {
        let mut rest = index;
        let j: Vec<usize> = counts.iter().map(|n| (rest % n, rest /= n).0).collect();
        let at: Vec<i64> = (0..rank)
            .map(|i| {
                let stride = if i == 0 { 1 } else { map.element_strides[i] as i64 };
                case.coordinates[i] as i64 + j[i] as i64 * stride
            })
            .collect();
        let inside = (0..rank).all(|i| at[i] >= 0 && (at[i] as u64) < map.dims[i]);
        let from = inside.then(|| {
            (1..rank).map(|i| at[i] as usize * map.strides[i - 1] as usize).sum::<usize>()
                + at[0] as usize * size
        });
        let row = ((j[4] * counts[3] + j[3]) * counts[2] + j[2]) * counts[1] + j[1];
        let to = case.offset as usize + row * span + j[0] * size;
        all.push((from, to ^ (((to / 128) & mask) << 4)));
    }
    all
}

fn policies() -> [AsyncPolicy; 4] {
    [AsyncPolicy::Eager, AsyncPolicy::Lazy, AsyncPolicy::Random(1), AsyncPolicy::Random(2)]
}

fn cases() -> Vec<Case> {
    use ElementType::*;
    let mut all = vec![];
    // Rows begin at multiples of 16 bytes.
    let mut add = |map: TensorMap, mut coordinates: [i32; 5], offset: u32| {
        coordinates[0] -= coordinates[0].rem_euclid(16 / map.ty.bytes() as i32);
        all.push(Case { map, coordinates, offset });
    };
    // Every swizzle, full rows and narrow ones, at several places of shared memory; a tensor that ends within a chunk.
    for (swizzle, inner) in [
        (Swizzle::None, 64),
        (Swizzle::None, 8),
        (Swizzle::B32, 16),
        (Swizzle::B32, 8),
        (Swizzle::B64, 32),
        (Swizzle::B64, 8),
        (Swizzle::B128, 64),
        (Swizzle::B128, 24),
    ] {
        for (i, coordinates) in
            [[0, 0], [64, 3], [-5, -2], [99, 45], [104, 0], [0, 50]].into_iter().enumerate()
        {
            let [x, y] = coordinates;
            let offset = [0, 128, 512, 896][i % 4];
            add(map(F16, &[104, 50], &[inner, 16], swizzle), [x, y, 0, 0, 0], offset);
        }
    }
    // Every type and rank.
    for (ty, dims, box_dims) in [
        (U8, &[100][..], &[64][..]),
        (U16, &[33, 7], &[16, 4]),
        (U32, &[20, 6, 5], &[8, 4, 3]),
        (S32, &[20, 6, 5, 4], &[8, 4, 3, 2]),
        (U64, &[20, 6, 5, 4, 3], &[4, 4, 3, 2, 2]),
        (S64, &[20, 6], &[4, 4]),
        (F32, &[20, 6], &[8, 4]),
        (F32Ftz, &[20, 6], &[8, 4]),
        (F64, &[20, 6], &[4, 4]),
        (Bf16, &[20, 6], &[8, 4]),
        (Tf32, &[20, 6], &[8, 4]),
        (Tf32Ftz, &[20, 6], &[8, 4]),
    ] {
        for coordinates in [[0; 5], [15, 3, 3, 3, 2], [-1; 5]] {
            add(map(ty, dims, box_dims, Swizzle::None), coordinates, 256);
            if !matches!(ty, U8 | U16 | U32 | S32 | U64 | S64) {
                add(TensorMap { fill: Fill::Nan, ..map(ty, dims, box_dims, Swizzle::B32) }, coordinates, 0);
            }
        }
    }
    // Element strides; the innermost means nothing.
    let strided =
        TensorMap { element_strides: vec![3, 2, 5], ..map(F16, &[40, 30, 20], &[32, 7, 11], Swizzle::B64) };
    for coordinates in [[0; 5], [10, 20, 13, 0, 0], [-1, -1, -1, 0, 0]] {
        add(strided.clone(), coordinates, 1024);
    }
    all
}

#[test]
fn loads() {
    for (i, case) in cases().iter().enumerate() {
        let size = case.map.ty.bytes() as usize;
        let tensor = noise(i as u64, tensor_bytes(&case.map));
        let before = noise(99, BOX);
        let mut want = before.clone();
        let elements = elements(case);
        let fill: u64 = match (case.map.fill, size) {
            (Fill::Zeros, _) => 0,
            (Fill::Nan, 2) => 0x7fff,
            (Fill::Nan, 4) => 0x7fff_ffff,
            (Fill::Nan, _) => 0x7fff_ffff_ffff_ffff,
        };
        for (from, to) in &elements {
            let fill = &fill.to_le_bytes()[..size];
            want[*to..to + size].copy_from_slice(from.map_or(fill, |from| &tensor[from..from + size]));
        }
        let middle = load(case.map.dims.len(), elements.len() * size);
        let policy = policies()[i % 4];
        let label = format!("{:?} at {:?}, offset {}", case.map, case.coordinates, case.offset);
        let [kept, got] =
            run(case, &middle, policy, &tensor, &before).unwrap_or_else(|e| panic!("{label}: {e}"));
        assert_eq!(kept, tensor);
        if let Some(at) = (0..BOX).find(|at| got[*at] != want[*at]) {
            panic!("{label}: byte {at:#x} is {:#x}, not {:#x}", got[at], want[at]);
        }
    }
}

#[test]
fn stores() {
    for (i, case) in cases().iter().enumerate() {
        let size = case.map.ty.bytes() as usize;
        let before = noise(i as u64, tensor_bytes(&case.map));
        let shared = noise(99, BOX);
        let mut want = before.clone();
        for (tensor, at) in elements(case) {
            if let Some(tensor) = tensor {
                want[tensor..tensor + size].copy_from_slice(&shared[at..at + size]);
            }
        }
        let middle = store(case.map.dims.len(), "");
        let label = format!("{:?} at {:?}", case.map, case.coordinates);
        let [got, kept] = run(case, &middle, policies()[i % 4], &before, &shared)
            .unwrap_or_else(|e| panic!("{label}: {e}"));
        assert_eq!(kept, shared);
        assert!(got == want, "{label}");
    }
}

#[test]
fn reductions() {
    type Model = fn(u64, u64) -> u64;
    let table: [(ElementType, &str, Model); 10] = [
        (ElementType::U32, "add", |a, b| (a + b) & 0xffff_ffff),
        (ElementType::S32, "min", |a, b| (a as i32).min(b as i32) as u32 as u64),
        (ElementType::U32, "max", |a, b| a.max(b)),
        (ElementType::U32, "inc", |a, b| if a >= b { 0 } else { a + 1 }),
        (ElementType::U32, "dec", |a, b| if a == 0 || a > b { b } else { a - 1 }),
        (ElementType::U64, "add", |a, b| a.wrapping_add(b)),
        (ElementType::U64, "and", |a, b| a & b),
        (ElementType::U32, "or", |a, b| a | b),
        (ElementType::U32, "xor", |a, b| a ^ b),
        (ElementType::F16, "add", |a, b| {
            let sum = half::f16::from_bits(a as u16).to_f32() + half::f16::from_bits(b as u16).to_f32();
            if sum.is_nan() { 0x7fff } else { half::f16::from_f32(sum).to_bits() as u64 }
        }),
    ];
    for (i, (ty, word, model)) in table.into_iter().enumerate() {
        let size = ty.bytes() as usize;
        let case = Case {
            map: map(ty, &[20, 6], &[16 / size as u32, 4], Swizzle::B32),
            coordinates: [16, 2, 0, 0, 0],
            offset: 0,
        };
        let before = noise(i as u64, tensor_bytes(&case.map));
        let shared = noise(99, BOX);
        let mut want = before.clone();
        let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |n, b| n << 8 | *b as u64);
        for (tensor, at) in elements(&case) {
            if let Some(tensor) = tensor {
                let new = model(number(&before[tensor..tensor + size]), number(&shared[at..at + size]));
                want[tensor..tensor + size].copy_from_slice(&new.to_le_bytes()[..size]);
            }
        }
        let [got, _] = run(&case, &store(2, word), policies()[i % 4], &before, &shared)
            .unwrap_or_else(|e| panic!("{word} of {ty:?}: {e}"));
        assert!(got == want, "{word} of {ty:?}");
    }
}

/// What is wrong is said when the copy is issued.
#[test]
fn faults() {
    let good = || Case {
        map: map(ElementType::F16, &[104, 50], &[64, 16], Swizzle::B128),
        coordinates: [0; 5],
        offset: 0,
    };
    let tensor = noise(1, tensor_bytes(&good().map));
    let fault = |case: &Case, middle: &str, tensor: &[u8]| {
        let fault = run(case, middle, AsyncPolicy::Eager, tensor, &noise(2, BOX));
        fault.map_or_else(|fault| fault.to_string(), |_| "no fault".to_string())
    };
    let off = |x: i32| Case { coordinates: [x, 0, 0, 0, 0], ..good() };
    let table: [(Case, String, &str); 9] = [
        (good(), load(3, 2048), "has 2 dimensions and not 3"),
        (Case { offset: 64, ..good() }, load(2, 2048), "is not a multiple of 128"),
        (Case { offset: BOX as u32 - 1024, ..good() }, load(2, 2048), "is past the end of the block's"),
        (good(), load(2, 2048).replace("[%map,", "[%buffer,"), "no tensor map of this emulator"),
        (off(3), load(2, 2048), "begins 6 bytes along the innermost dimension"),
        (off(-4), load(2, 2048), "begins -8 bytes along the innermost dimension"),
        (off(12), store(2, "add"), "begins 24 bytes along the innermost dimension"),
        (good(), store(2, "inc"), "there is no Inc of f16 elements"),
        (good(), load(2, 2048).replace("], [%bar];", "], [%bar+4];"), "is not a multiple of 8"),
    ];
    for (case, middle, want) in table {
        let message = fault(&case, &middle, &tensor);
        assert!(message.contains(want), "{message}\n  not: {want}");
    }
    // A tensor that is larger than what it lies in: only a box that touches what is not there is wrong.
    let short = &tensor[..tensor.len() - 1000];
    assert_eq!(fault(&good(), &load(2, 2048), short), "no fault");
    let end = Case { coordinates: [0, 40, 0, 0, 0], ..good() };
    let message = fault(&end, &load(2, 2048), short);
    assert!(message.contains("is past the end of the") && message.contains("allocation"), "{message}");
}

/// A map that a kernel makes from zeros, field by field, as compilers do.
#[test]
fn maps_made_on_the_device() {
    let case = Case {
        map: map(ElementType::Bf16, &[104, 50], &[32, 16], Swizzle::B64),
        coordinates: [88, 40, 0, 0, 0],
        offset: 1024,
    };
    let tensor = noise(1, tensor_bytes(&case.map));
    let before = noise(2, BOX);
    let mut want = before.clone();
    for (from, to) in elements(&case) {
        want[to..to + 2].copy_from_slice(from.map_or(&[0; 2], |from| &tensor[from..from + 2]));
    }
    // The tensor's address is found in the parameter's map, which is the emulator's layout: bytes 16 to 24.
    let replace = "@%p1 tensormap.replace.tile";
    let fields = format!(
        "ld.param.u64 %rd2, [map+16]; ld.param.u64 %rd3, [scratch]; mov.u32 %r8, 0;\n\
         add.u32 %r9, %r0, 16384; shl.b32 %r10, %r1, 2; add.u32 %r10, %r10, %r9;\n\
         st.shared.u32 [%r10], %r8; cvt.u64.u32 %rd4, %r9; bar.warp.sync -1;\n\
         {replace}.global_address.shared::cta.b1024.b64 [%rd4], %rd2;\n\
         {replace}.rank.shared::cta.b1024.b32 [%rd4], 1;\n\
         {replace}.box_dim.shared::cta.b1024.b32 [%rd4], 0, 32;\n\
         {replace}.box_dim.shared::cta.b1024.b32 [%rd4], 1, 16;\n\
         {replace}.global_dim.shared::cta.b1024.b32 [%rd4], 0, 104;\n\
         {replace}.global_dim.shared::cta.b1024.b32 [%rd4], 1, 50;\n\
         {replace}.global_stride.shared::cta.b1024.b64 [%rd4], 0, {};\n\
         {replace}.element_stride.shared::cta.b1024.b32 [%rd4], 0, 1;\n\
         {replace}.element_stride.shared::cta.b1024.b32 [%rd4], 1, 1;\n\
         {replace}.elemtype.shared::cta.b1024.b32 [%rd4], 10;\n\
         {replace}.interleave_layout.shared::cta.b1024.b32 [%rd4], 0;\n\
         {replace}.swizzle_mode.shared::cta.b1024.b32 [%rd4], 2;\n\
         {replace}.fill_mode.shared::cta.b1024.b32 [%rd4], 0;\n\
         tensormap.cp_fenceproxy.global.shared::cta.tensormap::generic.release.gpu.sync.aligned [%rd3], [%rd4], 128;\n\
         fence.proxy.tensormap::generic.acquire.gpu [%rd3], 128;\n",
        case.map.strides[0]
    );
    let middle = fields + &load(2, 1024).replace("%map", "%rd3");
    let [_, got] = run(&case, &middle, AsyncPolicy::Lazy, &tensor, &before).unwrap_or_else(|e| panic!("{e}"));
    assert!(got[..16384] == want[..16384]);
}
