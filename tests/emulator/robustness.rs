//! No text makes the emulator panic, hang or take the host's memory: programs that were damaged at random either are
//! refused at load or run into their end, a fault or their budget. `FLASHPAGE_DAMAGED` is how many are made; CI sets it to
//! ten thousand.

use flashpage_emulator::{AsyncPolicy, Launch, Memory, Module, Options, Sanitize};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Counts what is allocated, and the most that it ever was.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is the system's.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        PEAK.fetch_max(LIVE.fetch_add(layout.size(), Relaxed) + layout.size(), Relaxed);
        // SAFETY: as asked.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as asked.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Every kind of instruction, close together.
const EVERY_KIND: &str = "
    .shared .align 16 .b8 S[256]; .local .align 8 .b8 L[32];
    mov.u32 %r1, %tid.x; setp.lt.u32 %p1, %r1, 20; mov.u32 %r2, S; mul.wide.u32 %rd1, %r1, 4; add.u64 %rd2, %in, %rd1;
    ld.global.u32 %r3, [%rd2]; st.local.u32 [L+4], %r3; ld.local.v2.u16 {%h1, %h2}, [L+4];
    A: add.u32 %r3, %r3, 1; setp.lt.u32 %p2, %r3, 40; @%p2 bra A;
    { .reg .u32 %r3; mov.u32 %r3, 7; st.shared.u32 [S+8], %r3; atom.shared.add.u32 %r4, [S+8], %r3; }
    @%p1 bra B; bar.sync 0, 64; bra C; B: bar.sync 0, 64; C: T: .branchtargets A, D; setp.ge.u32 %p3, %r1, 32; @%p3 exit;
    brx.idx 1, T; D: shfl.sync.bfly.b32 %r5|%p4, %r1, 3, 31, -1; vote.sync.ballot.b32 %r6, %p4, -1;
    cvt.rn.f32.u32 %r7, %r6; fma.rn.f32 %r8, %r7, 0f3F000000, 1.0; ex2.approx.ftz.f32 %r8, %r8; cvt.rn.f16x2.f32 %r9, %r8, %r7;
    ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%r10, %r11}, [%r2];
    mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%r12, %r13, %r14, %r15}, {%r9, %r10}, {%r11}, {%r8, %r8, %r8, %r8};
    cp.async.ca.shared.global [%r2], [%rd2], 4; cp.async.commit_group; cp.async.wait_group 0; bfe.s32 %r16, %r12, %r13, %r14;
    cvta.shared.u64 %rd4, %rd1; st.u32 [%rd4], %r16; red.global.add.f32 [%rd2], %r12; div.s32 %r17, %r16, %r1; prmt.b32 %r18, %r1, %r2, %r3;
    { .reg .b128 %q<3>; mov.b128 %q1, {%rd1, %rd2}; atom.global.exch.b128 %q2, [%in], %q1; mov.b128 {%rd5, %rd6}, %q2; }
    alloca.u64 %rd7, 16, 8; st.local.u64 [%rd7], %rd1; mad.lo.cc.u32 %r19, %r1, %r2, %r3; madc.hi.u32 %r20, %r1, %r2, %r3;
    cvt.rn.satfinite.e4m3x2.f32 %h3, %r7, %r8; lop3.or.b32 %r21|%p5, %r1, %r2, %r3, 0x40, %p1; fns.b32 %r22, %r1, %r2, %r3;";

const CORPUS: [&str; 10] = [
    include_str!("data/matmul.ptx"),
    include_str!("data/calls.ptx"),
    include_str!("data/wmma.ptx"),
    include_str!("data/corpus/vector_add_sm80.ptx"),
    include_str!("data/corpus/softmax_block_sm80.ptx"),
    include_str!("data/corpus/matmul_f16_sm80.ptx"),
    include_str!("data/corpus/flash_causal_hd64_sm80.ptx"),
    include_str!("data/corpus/matmul_f16_sm90.ptx"),
    include_str!("data/corpus/tma_host_sm90.ptx"),
    "",
];

/// Numbers that are at the end of some range.
const EXTREMES: [&str; 20] = [
    "0",
    "1",
    "-1",
    "2",
    "31",
    "32",
    "33",
    "127",
    "128",
    "255",
    "65535",
    "65536",
    "16777217",
    "2147483647",
    "2147483648",
    "4294967295",
    "4294967296",
    "0x7fffffffffffffff",
    "0xffffffffffffffff",
    "9999999999999999999",
];

/// One piece of damage; places are parts of the text.
#[derive(Clone, Debug)]
enum Damage {
    Byte(f64, u8),
    Delete(f64),
    Duplicate(f64),
    Swap(f64, f64),
    Replace(f64, f64),
    Number(f64, usize),
    Lines(f64, f64),
    Truncate(f64),
}

fn damage() -> impl Strategy<Value = Damage> {
    let place = || 0.0..1.0f64;
    prop_oneof![
        1 => (place(), any::<u8>()).prop_map(|(at, byte)| Damage::Byte(at, byte)),
        1 => place().prop_map(Damage::Delete),
        1 => place().prop_map(Damage::Duplicate),
        1 => (place(), place()).prop_map(|(a, b)| Damage::Swap(a, b)),
        3 => (place(), place()).prop_map(|(a, b)| Damage::Replace(a, b)),
        4 => (place(), 0..EXTREMES.len()).prop_map(|(at, n)| Damage::Number(at, n)),
        1 => (place(), place()).prop_map(|(a, b)| Damage::Lines(a, b)),
        1 => (0.8..1.0f64).prop_map(Damage::Truncate),
    ]
}

fn tokens(text: &str) -> Vec<&str> {
    text.split_inclusive(|c: char| !c.is_alphanumeric() && c != '_' && c != '$').collect()
}

fn apply(text: String, damage: &Damage) -> String {
    let at = |place: f64, length: usize| ((place * length as f64) as usize).min(length.saturating_sub(1));
    let words = tokens(&text);
    let mut changed = words.clone();
    if words.is_empty() {
        return text;
    }
    match damage {
        Damage::Byte(place, byte) => {
            let mut bytes = text.into_bytes();
            let at = at(*place, bytes.len());
            bytes[at] = *byte;
            return String::from_utf8_lossy(&bytes).into_owned();
        }
        Damage::Truncate(place) => {
            let mut cut = at(*place, text.len());
            while !text.is_char_boundary(cut) {
                cut -= 1;
            }
            return text[..cut].to_string();
        }
        Damage::Lines(a, b) => {
            let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
            let (a, b) = (at(*a, lines.len()), at(*b, lines.len()));
            lines.swap(a, b);
            return lines.concat();
        }
        Damage::Delete(place) => drop(changed.remove(at(*place, words.len()))),
        Damage::Duplicate(place) => {
            let at = at(*place, words.len());
            changed.insert(at, words[at]);
        }
        Damage::Swap(a, b) => changed.swap(at(*a, words.len()), at(*b, words.len())),
        Damage::Replace(a, b) => {
            // By one that could stand there: a register for a register, a word for a word.
            let (to, from) = (at(*a, words.len()), at(*b, words.len()));
            let ends = |w: &str| (w.chars().next(), w.chars().last().filter(|c| !c.is_alphanumeric()));
            let fits = |i: &usize| ends(words[*i]) == ends(words[to]) && words[*i] != words[to];
            changed[to] = words[(from..words.len()).chain(0..from).find(fits).unwrap_or(from)];
        }
        Damage::Number(place, n) => {
            // The next number from there on.
            let from = at(*place, words.len());
            let is_number = |w: &str| w.starts_with(|c: char| c.is_ascii_digit());
            if let Some(found) = (from..words.len()).find(|i| is_number(words[*i])) {
                let end = words[found].chars().last().filter(|c| !c.is_alphanumeric());
                let number = format!("{}{}", EXTREMES[*n], end.map_or(String::new(), String::from));
                changed[found] = &number;
                return changed.concat();
            }
        }
    }
    changed.concat()
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    texts: u32,
    parsed: u32,
    loaded: u32,
    ran: u32,
    faulted: u32,
}

/// Loads a text and launches what is in it; adds up what became of it.
fn run(text: &str, seed: u64, counts: &mut Counts) {
    counts.texts += 1;
    counts.parsed += flashpage_ptx::parse(text).is_ok() as u32;
    let Ok(module) = Module::load(text) else { return };
    counts.loaded += 1;
    for entry in module.entries().take(3) {
        let mut memory = Memory::new();
        let buffer = memory.alloc(4096, 256).unwrap();
        memory.write(buffer, &[1; 4096]).unwrap();
        let parameter = |bytes: u32| {
            let mut value = buffer.to_le_bytes().to_vec();
            value.resize(bytes as usize, 0);
            value
        };
        let launch = Launch {
            grid: [2, 1, 1],
            block: entry.required_block.unwrap_or([entry.max_threads.unwrap_or(48).clamp(1, 128), 1, 1]),
            cluster: entry.required_cluster.unwrap_or([1; 3]),
            dynamic_shared_bytes: 16384,
            cooperative: seed.is_multiple_of(5),
            programmatic: seed.is_multiple_of(3),
            params: entry.parameters.iter().map(|p| parameter(p.bytes)).collect(),
        };
        let policy = [AsyncPolicy::Eager, AsyncPolicy::Lazy, AsyncPolicy::Random(seed)][seed as usize % 3];
        let options = Options {
            policy,
            sanitize: Sanitize::USUAL,
            threads: 1,
            instruction_budget: 20_000,
            ..Options::default()
        };
        match module.launch(&mut memory, entry.name, &launch, &options) {
            Ok(_) => counts.ran += 1,
            Err(fault) => {
                counts.faulted += 1;
                // A fault can be told.
                assert!(!fault.to_string().is_empty());
            }
        }
    }
}

#[test]
fn damaged_programs() {
    const LONGEST: Duration = Duration::from_secs(1);
    const MOST_MEMORY: usize = 2 << 30;
    let every_kind = crate::machine::kernel(EVERY_KIND);
    let source = |i: usize| if CORPUS[i].is_empty() { every_kind.as_str() } else { CORPUS[i] };
    let counts = Cell::new(Counts::default());
    for i in 0..CORPUS.len() {
        let mut own = Counts::default();
        run(source(i), 1, &mut own);
        assert_eq!(own.parsed, 1, "{i}: {:?}", flashpage_ptx::parse(source(i)).err());
    }
    let cases = std::env::var("FLASHPAGE_DAMAGED").ok().and_then(|n| n.parse().ok()).unwrap_or(1000);
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let strategy = (0..CORPUS.len(), prop::collection::vec(damage(), 1..4), any::<u64>());
    let result = runner.run(&strategy, |(i, pieces, seed)| {
        let text = pieces.iter().fold(source(i).to_string(), apply);
        let mut sum = counts.get();
        PEAK.store(LIVE.load(Relaxed), Relaxed);
        // The machine may be busy with something else: twice in a row it is not.
        let mut once = || {
            let start = Instant::now();
            run(&text, seed, &mut sum);
            start.elapsed()
        };
        let time = once();
        let time = if time > LONGEST { time.min(once()) } else { time };
        prop_assert!(time <= LONGEST, "it took {time:?}:\n{text}");
        let peak = PEAK.load(Relaxed);
        prop_assert!(peak < MOST_MEMORY, "it took {} MiB:\n{text}", peak >> 20);
        counts.set(sum);
        Ok(())
    });
    println!("{:?}", counts.get());
    if let Err(error) = result {
        panic!("{error}");
    }
    let Counts { parsed, loaded, ran, faulted, .. } = counts.get();
    assert!(parsed > cases * 3 / 10, "{:?}", counts.get());
    assert!(loaded.min(ran + faulted) > cases * 15 / 100, "{:?}", counts.get());
}

/// Sizes that no device has are refused, and not tried.
#[test]
fn absurd_sizes() {
    let text = |before: &str, inside: &str| {
        format!(
            ".version 8.0\n.target sm_80\n.address_size 64\n{before}\n.entry k(.param .u64 in) {{\n{inside}\nret; }}"
        )
    };
    let rows = [
        (text(".global .b8 x[9223372036854775807];", ""), "too large"),
        (text(".global .b8 x[4294967296][4294967296];", ""), "too large"),
        (text(".global .b8 x[200000000]; .global .b8 y[200000000];", ""), "bytes of variables"),
        (text("", ".local .b8 x[1000000];"), "local memory is too large"),
        (text("", ".shared .b8 x[100000000];"), "too large"),
        (text("", ".reg .b32 %r<4000000000>;"), "registers in one declaration"),
        (text("", "{ .param .b8 x[100000000]; }"), "too large"),
        (
            text(".func f(.param .b8 x[4000000]) { ret; }", "{ .param .b8 x[4000000]; call f, (x); }"),
            "too large",
        ),
        (
            ".version 8.0\n.target sm_80\n.entry k(.param .b8 x[40000]) { ret; }".to_string(),
            "more than 32764 bytes of parameters",
        ),
    ];
    for (text, want) in rows {
        let error = Module::load(&text).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(want), "{error}\nnot {want}");
    }
}

/// Kernels that set work going and never wait for it, or release something at ever new addresses: the host's memory
/// does not fill with what they leave behind.
#[test]
fn nobody_waits() {
    let rows = [
        "cp.async.ca.shared.global [%r2], [%rd1], 4; cp.async.commit_group;",
        "cp.async.bulk.global.shared::cta.bulk_group [%rd1], [%r2], 16; cp.async.bulk.commit_group;",
        "red.global.add.u32 [%rd1], 1; add.u64 %rd1, %rd1, 4;",
        "ld.shared.u32 %r3, [%r2]; bar.sync 0;",
    ];
    for body in rows {
        let text = format!(
            ".version 8.0 .target sm_90a .address_size 64 .visible .entry k(.param .u64 p) {{\n\
             .reg .b32 %r<9>; .reg .b64 %rd<9>; .reg .pred %p<3>; .shared .align 16 .b8 S[16];\n\
             ld.param.u64 %rd1, [p]; mov.u32 %r2, S; mov.u32 %r1, 0; setp.ge.u32 %p2, %r1, 1; st.shared.v4.u32 [S], {{0, 0, 0, 0}};\n\
             fence.proxy.async; bar.sync 0;\n\
             L: {body} add.u32 %r1, %r1, 1; setp.lt.u32 %p1, %r1, 60000; @%p1 bra L;\n\
             cp.async.bulk.wait_group 0; ret; }}"
        );
        let module = Module::load(&text).unwrap();
        for policy in [AsyncPolicy::Lazy, AsyncPolicy::Eager] {
            let mut memory = Memory::new();
            let at = memory.alloc(1 << 18, 16).unwrap();
            memory.write(at, &[0; 1 << 18]).unwrap();
            let launch =
                Launch { block: [1, 1, 1], params: vec![at.to_le_bytes().to_vec()], ..Launch::default() };
            for sanitize in [false, true] {
                let options = Options { policy, sanitize: sanitize.into(), ..Options::default() };
                let outcome = module.launch(&mut memory, "k", &launch, &options);
                // Only what is said of a wait that comes too late, not of room.
                assert!(outcome.is_ok() || sanitize, "{body}: {outcome:?}");
            }
        }
        if let Some(peak) = peak_memory() {
            assert!(peak < 1 << 31, "{body}: {peak} bytes at the peak");
        }
    }
}

/// The most memory that this process has had, where the host tells.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches("kB").trim().parse::<u64>().ok().map(|kilobytes| kilobytes << 10)
}
