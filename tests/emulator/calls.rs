//! Functions as nvcc writes them: recursion, calls through pointers, `printf`, `assert` (`data/calls.cu`;
//! `nvcc -ptx -arch=sm_80`), and the stack. What they must give is the same source in Rust.

use crate::machine::Run;
use flashpage_emulator::{Fault, FaultKind, Launch, Memory, Module, Options, Report, Sanitize};

/// Launches a kernel of the file; buffers are written before and read after.
fn launch(entry: &str, buffers: &mut [Vec<u8>], scalars: &[i32]) -> Result<Report, Fault> {
    let module = Module::load(include_str!("data/calls.ptx")).unwrap();
    let mut memory = Memory::new();
    let mut params = Vec::new();
    let mut addresses = Vec::new();
    for buffer in &*buffers {
        let address = memory.alloc(buffer.len(), 16).unwrap();
        memory.write(address, buffer).unwrap();
        addresses.push(address);
        params.push(address.to_le_bytes().to_vec());
    }
    params.extend(scalars.iter().map(|s| s.to_le_bytes().to_vec()));
    let launch = Launch { params, ..Launch::default() };
    let options = Options { sanitize: Sanitize::USUAL, instruction_budget: 1 << 24, ..Options::default() };
    let report = module.launch(&mut memory, entry, &launch, &options)?;
    for (buffer, address) in buffers.iter_mut().zip(addresses) {
        memory.read(address, buffer).unwrap();
    }
    Ok(report)
}

fn ints(bytes: &[u8]) -> Vec<i32> {
    bytes.chunks_exact(4).map(|c| i32::from_le_bytes(c.try_into().unwrap())).collect()
}

fn doubles(bytes: &[u8]) -> Vec<f64> {
    bytes.chunks_exact(8).map(|c| f64::from_le_bytes(c.try_into().unwrap())).collect()
}

fn fibonacci(n: i32) -> i32 {
    if n < 2 { n } else { fibonacci(n - 1) + fibonacci(n - 2) }
}

fn deep(above: &mut i32, n: i32) -> i32 {
    let mut here = [n, *above, n * 2, 0];
    *above += n;
    if n == 0 {
        return *above;
    }
    let below = deep(&mut here[(n & 1) as usize], n - 1);
    below * 3 + here[0] + here[1] + here[2] + *above
}

#[test]
fn recursion() {
    let mut buffers = [vec![0; 512], vec![0; 256]];
    launch("recursion", &mut buffers, &[]).unwrap_or_else(|e| panic!("{e}"));
    let want: Vec<i32> = (0..32)
        .flat_map(|t| {
            let even = (t % 2 == 0) as i32;
            [fibonacci(t % 10), even, deep(&mut t.clone(), t % 7), fibonacci(3 + t / 16)]
        })
        .collect();
    assert_eq!(ints(&buffers[0]), want);
    let of_struct = |t: i32| {
        let (mut a, mut b, mut n) = (t, 8.0, t % 5);
        while n != 0 {
            (a, b, n) = (a + n, b * 0.5, n - 1);
        }
        b + a as f64
    };
    assert_eq!(doubles(&buffers[1]), (0..32).map(of_struct).collect::<Vec<_>>());
}

#[derive(Clone, Copy)]
struct Node {
    weight: f64,
    children: [i32; 3],
}

fn visit(mut node: Node, depth: i32) -> Node {
    let own: [i32; 5] = std::array::from_fn(|i| node.children[i % 3] * (i as i32 + 1));
    if depth == 0 {
        return node;
    }
    for i in (0..3).filter(|i| own[*i] % 2 != 0) {
        let child =
            Node { weight: node.weight / 2.0, children: [own[i + 1] % 7, own[i] % 5, own[i + 2] % 3] };
        let back = visit(child, depth - 1);
        node.weight += back.weight;
        node.children[i] += back.children[2 - i] + own[4 - i];
    }
    node
}

/// Lanes go different ways down a tree and meet again.
#[test]
fn recursion_with_structs_and_arrays() {
    let mut buffers = [vec![0; 256], vec![0; 384]];
    launch("tree", &mut buffers, &[]).unwrap_or_else(|e| panic!("{e}"));
    let want: Vec<Node> =
        (0..32).map(|t| visit(Node { weight: 1.0 + t as f64, children: [t, t + 1, t * 3] }, 4)).collect();
    assert_eq!(doubles(&buffers[0]), want.iter().map(|n| n.weight).collect::<Vec<_>>());
    assert_eq!(ints(&buffers[1]), want.iter().flat_map(|n| n.children).collect::<Vec<_>>());
}

#[test]
fn calls_through_a_register_that_recurse() {
    let mut buffers = [vec![0; 128]];
    launch("indirect", &mut buffers, &[]).unwrap_or_else(|e| panic!("{e}"));
    let want: Vec<i32> = (0..32)
        .map(|t| (1..=t % 6).fold(1, |below, n| if t & 1 == 0 { n + below } else { n * below }))
        .collect();
    assert_eq!(ints(&buffers[0]), want);
}

#[test]
fn too_deep() {
    let fault = launch("endless", &mut [vec![0; 4]], &[]).unwrap_err();
    assert!(matches!(fault.kind, FaultKind::StackOverflow { .. }), "{fault}");
    assert!(fault.to_string().contains("bytes of local memory"), "{fault}");
}

#[test]
fn printf() {
    let report = launch("prints", &mut [b"warp\0".to_vec()], &[40]).unwrap_or_else(|e| panic!("{e}"));
    let want = "no arguments
lane 0 of warp:  0.00|40    |+0000|ff|a|%|1099511627776|1.234568e+04|text
lane 1 of warp:  1.50|41    |-0001|100|b|%|1099511627776|1.234568e+04|text
lane 2 of warp:  3.00|42    |-0002|101|c|%|1099511627776|1.234568e+04|text
0003.142 1e-10 1E+20 10 0xff 0x10 44 -5 7 abc     42 -1 4000000000
";
    assert_eq!(report.printed, want);
}

#[test]
fn asserts() {
    launch("asserts", &mut [], &[32]).unwrap_or_else(|e| panic!("{e}"));
    let fault = launch("asserts", &mut [], &[30]).unwrap_err();
    let says = "assertion failed: `threadIdx.x < limit` does not hold, in void asserts(int) at calls.cu:15";
    assert!(fault.to_string().starts_with(says), "{fault}");
    assert_eq!(fault.site.unwrap().lane, Some(30));
}

#[test]
fn alloca() {
    let text = |size: &str| {
        format!(
            ".version 8.0\n.target sm_80\n.address_size 64\n
        .func (.param .b32 r) sum(.param .b32 n) {{
            .reg .b32 %r<6>; .reg .b64 %rd<6>; .reg .pred %p<2>;
            ld.param.u32 %r1, [n]; mul.wide.u32 %rd1, %r1, 4;
            alloca.u64 %rd2, %rd1, 16;
            mov.u32 %r2, 0;
            A: mul.wide.u32 %rd3, %r2, 4; add.u64 %rd3, %rd3, %rd2; st.local.u32 [%rd3], %r2;
            add.u32 %r2, %r2, 1; setp.lt.u32 %p1, %r2, %r1; @%p1 bra A;
            mov.u32 %r3, 0;
            B: sub.u32 %r2, %r2, 1; mul.wide.u32 %rd3, %r2, 4; add.u64 %rd3, %rd3, %rd2; ld.local.u32 %r4, [%rd3];
            add.u32 %r3, %r3, %r4; setp.ne.u32 %p1, %r2, 0; @%p1 bra B;
            st.param.b32 [r], %r3; ret;
        }}
        .visible .entry k(.param .u64 in, .param .u64 out) {{
            .reg .b32 %r<8>; .reg .b64 %rd<9>; .reg .b64 %out; .reg .pred %p<3>;
            .param .b32 x; .param .b32 z;
            ld.param.u64 %out, [out]; mov.u32 %r1, %tid.x; mul.wide.u32 %rd1, %r1, 4; add.u64 %rd1, %rd1, %out;
            stacksave.u64 %rd5; mov.u32 %r5, 0;
            C: mov.u64 %rd6, {size}; alloca.u64 %rd7, %rd6; st.local.b64 [%rd7], %rd6; stackrestore.u64 %rd5;
            add.u32 %r2, %r1, 1; st.param.b32 [x], %r2; call (z), sum, (x); ld.param.b32 %r3, [z];
            add.u32 %r5, %r5, 1; setp.lt.u32 %p1, %r5, 200; @%p1 bra C;
            stacksave.u64 %rd8; setp.eq.u64 %p2, %rd5, %rd8; selp.u32 %r3, %r3, -1, %p2;
            st.global.u32 [%rd1], %r3; ret;
        }}"
        )
    };
    let mut run = Run::new("").output(128);
    run.text = text("1000");
    assert_eq!(run.words(), (0..32).map(|t| t * (t + 1) / 2).collect::<Vec<_>>());
    run.text = text("1000000");
    assert!(run.fault().to_string().starts_with("stack overflow"));
}
