//! What the builder writes instead of `div` and `rem`, run, against what Rust computes.

use flashpage_emulator::{Launch, Memory, Module, Options};
use flashpage_ptx::ast;
use flashpage_ptx::builder::{Builder, Reg, address, space, ty};
use flashpage_ptx::division::{Reciprocal, ReciprocalRegs};
use flashpage_ptx::words::{Opcode, Space, Special, Type};

/// What a kernel computes of its thread's number.
type Compute<'a> = &'a dyn Fn(&mut Builder, &Reg) -> Reg;

/// The results of a kernel with a thread for each number.
fn run(numbers: &[u32], compute: Compute<'_>) -> Vec<u32> {
    let mut b = Builder::entry("k");
    b.param(Type::U64, "numbers");
    let at = b.ld_param(Type::U64, "numbers", "numbers");
    let thread = b.special("thread", Special::Tid, Some(ast::Axis::X));
    let at = b.mad_wide("at", &thread, 4, &at);
    let number =
        b.op(Opcode::Ld, &[space(Space::Global), ty(Type::U32)], Type::U32, "number", vec![address(&at, 0)]);
    let result = compute(&mut b, &number);
    b.emit(Opcode::St, &[space(Space::Global), ty(Type::U32)], vec![address(&at, 0), (&result).into()]);
    b.ret();
    let text = flashpage_ptx::print(&ast::Module {
        version: (8, 0),
        target: vec!["sm_80".to_owned()],
        address_size: 64,
        items: vec![ast::Item::Function(b.finish())],
    });
    assert!(!text.contains("div.") && !text.contains("rem."), "{text}");
    let module = Module::load(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let mut memory = Memory::new();
    let bytes: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
    let buffer = memory.alloc(bytes.len(), 16).unwrap();
    memory.write(buffer, &bytes).unwrap();
    let launch = Launch {
        block: [numbers.len() as u32, 1, 1],
        params: vec![buffer.to_le_bytes().to_vec()],
        ..Launch::default()
    };
    module.launch(&mut memory, "k", &launch, &Options::default()).unwrap();
    let mut out = vec![0; bytes.len()];
    memory.read(buffer, &mut out).unwrap();
    out.chunks(4).map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]])).collect()
}

/// Numbers where a rounding that is off shows.
fn numbers(divisor: u32) -> Vec<u32> {
    let near = |n: u32| [n.wrapping_sub(1), n, n.wrapping_add(1)];
    let multiples = [1, 2, 3, 1000, u32::MAX / divisor, (1 << 31) / divisor];
    let all =
        multiples.map(|k: u32| k.wrapping_mul(divisor)).into_iter().chain([0, 1 << 16, 1 << 30, 1 << 31]);
    all.flat_map(near).flat_map(|n| [n, n.wrapping_neg()]).collect()
}

const DIVISORS: [u32; 26] = [
    1,
    2,
    3,
    5,
    6,
    7,
    8,
    9,
    10,
    11,
    12,
    14,
    16,
    19,
    25,
    48,
    64,
    80,
    100,
    112,
    125,
    176,
    641,
    4096,
    1_000_003,
    (1 << 31) - 1,
];

#[test]
fn unsigned_by_a_literal() {
    for divisor in DIVISORS.into_iter().chain([1 << 31, (1 << 31) + 1, u32::MAX]) {
        let numbers = numbers(divisor);
        let quotients = run(&numbers, &|b, n| b.div(Type::U32, "q", n, divisor));
        let rests = run(&numbers, &|b, n| b.rem(Type::U32, "q", n, divisor));
        for ((n, quotient), rest) in numbers.iter().zip(quotients).zip(rests) {
            assert_eq!((quotient, rest), (n / divisor, n % divisor), "{n} by {divisor}");
        }
    }
}

#[test]
fn signed_by_a_literal() {
    let divisors = DIVISORS.into_iter().flat_map(|d| [d as i32, -(d as i32)]).chain([i32::MIN]);
    for divisor in divisors {
        let numbers = numbers(divisor.unsigned_abs());
        let quotients = run(&numbers, &|b, n| b.div(Type::S32, "q", n, divisor));
        let rests = run(&numbers, &|b, n| b.rem(Type::S32, "q", n, divisor));
        for ((n, quotient), rest) in numbers.iter().map(|n| *n as i32).zip(quotients).zip(rests) {
            let want = (n.wrapping_div(divisor), n.wrapping_rem(divisor));
            assert_eq!((quotient as i32, rest as i32), want, "{n} by {divisor}");
        }
    }
}

fn reciprocal(b: &mut Builder, divisor: u32) -> ReciprocalRegs {
    let Reciprocal { multiplier, shift } = Reciprocal::of(divisor);
    let [multiplier, shift] = [multiplier, shift].map(|number| b.mov(Type::U32, "reciprocal", number));
    ReciprocalRegs { multiplier, shift }
}

#[test]
fn unsigned_by_what_the_host_knows() {
    for divisor in DIVISORS {
        let numbers: Vec<u32> = numbers(divisor).into_iter().filter(|n| *n <= 1 << 31).collect();
        let quotients = run(&numbers, &|b, n| {
            let by = reciprocal(b, divisor);
            b.quotient("q", n, &by)
        });
        for (n, quotient) in numbers.iter().zip(quotients) {
            assert_eq!(quotient, n / divisor, "{n} by {divisor}");
        }
    }
}

#[test]
fn signed_by_what_the_host_knows() {
    let divisors = DIVISORS.into_iter().flat_map(|d| [d as i32, -(d as i32)]).chain([i32::MIN]);
    for divisor in divisors {
        for never_negative in [false, true] {
            let mut numbers = numbers(divisor.unsigned_abs());
            numbers.retain(|n| !never_negative || *n as i32 >= 0);
            let quotients = run(&numbers, &|b, n| {
                let reciprocal = reciprocal(b, divisor.unsigned_abs());
                let by = b.mov(Type::S32, "by", divisor);
                b.quotient_signed("q", n, &by, &reciprocal, never_negative)
            });
            let rests = run(&numbers, &|b, n| {
                let reciprocal = reciprocal(b, divisor.unsigned_abs());
                let by = b.mov(Type::S32, "by", divisor);
                b.rest_signed("q", n, &by, &reciprocal, never_negative)
            });
            for ((n, quotient), rest) in numbers.iter().map(|n| *n as i32).zip(quotients).zip(rests) {
                let want = (n.wrapping_div(divisor), n.wrapping_rem(divisor));
                assert_eq!((quotient as i32, rest as i32), want, "{n} by {divisor}");
            }
        }
    }
}
