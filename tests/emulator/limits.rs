//! Launches that would not end, or not fit, and those that wait for all their blocks: budgets, interruptions, memory,
//! cooperative launches.

use flashpage_emulator::{
    AsyncPolicy, Fault, FaultKind, Launch, Memory, MemoryError, Module, Monitor, Options, Report, Sanitize,
    WarpOrder,
};
use std::thread;
use std::time::{Duration, Instant};

/// Runs kernel `k` over one buffer of words.
fn run(
    body: &str,
    (grid, block): (u32, u32),
    cooperative: bool,
    options: &Options,
) -> Result<(Vec<u32>, Report), Fault> {
    let module =
        Module::load(&crate::machine::kernel(body)).unwrap_or_else(|error| panic!("{error}\n{body}"));
    let mut memory = Memory::new();
    let bytes = 4 * grid as usize * block as usize;
    let buffer = memory.alloc(bytes, 16).unwrap();
    memory.fill(buffer, bytes, 0).unwrap();
    let params = vec![buffer.to_le_bytes().to_vec(), buffer.to_le_bytes().to_vec()];
    let launch =
        Launch { grid: [grid, 1, 1], block: [block, 1, 1], cooperative, params, ..Launch::default() };
    let report = module.launch(&mut memory, "k", &launch, options)?;
    let mut words = vec![0; bytes];
    memory.read(buffer, &mut words).unwrap();
    let words = words.chunks_exact(4).map(|word| u32::from_le_bytes(word.try_into().unwrap())).collect();
    Ok((words, report))
}

/// A loop of so many rounds in each block: 2 + 3 for each, and two at the end.
const ROUNDS: &str = "mov.u32 %r1, 0;\nL: add.u32 %r1, %r1, 1;\nsetp.lt.u32 %p1, %r1, 1000;\n@%p1 bra L;";

/// The same launch spends its budget in the same way on any number of threads, every time.
#[test]
fn budgets() {
    let spin = "L: bra L;";
    let flag = "L: ld.volatile.global.u32 %r1, [%in];\nsetp.eq.u32 %p1, %r1, 0;\n@%p1 bra L;";
    // Every block waits for the last, which spins.
    let others = "mov.u32 %r1, %ctaid.x;\nsetp.ne.u32 %p1, %r1, 0;\nL: @%p1 bra M;\nbra L;\nM: ";
    let warps = "mov.u32 %r1, %tid.x;\nsetp.lt.u32 %p1, %r1, 64;\n@%p1 bra A;\nB: bra B;\nA: bra A;";
    // What is run, blocks and threads, the budget, where the fault is, and what it says.
    let rows = [
        (spin, (1, 32), 1000, Some((0, "with warp 0 at line 8"))),
        (spin, (40, 32), 100_000, Some((0, "with warp 0 at line 8"))),
        (flag, (1, 32), 1000, Some((0, "with warp 0 at line"))),
        (flag, (40, 64), 100_000, Some((0, "with warp 0 at line"))),
        (others, (40, 32), 200_000, Some((0, "with warp 0 at line"))),
        (warps, (2, 128), 10_000, Some((0, "with warps 0 to 1 at line 12, warps 2 to 3 at line 11"))),
        // A block runs 3004 instructions of each warp.
        (ROUNDS, (1, 32), 3004, None),
        (ROUNDS, (1, 32), 3003, Some((0, "with warp 0 at line 12"))),
        (ROUNDS, (20, 32), 20 * 3004, None),
        (ROUNDS, (20, 32), 20 * 3004 - 1, Some((19, "with 19 of 20 blocks done"))),
        (ROUNDS, (20, 32), 10 * 3004, Some((10, "with 10 of 20 blocks done"))),
        (ROUNDS, (2000, 32), 50 * 3004, Some((50, "with 50 of 2000 blocks done"))),
        (ROUNDS, (20, 64), 10 * 3004, Some((5, "with 5 of 20 blocks done"))),
    ];
    let mut wrong = Vec::new();
    for (body, shape, budget, want) in rows {
        let mut seen: Vec<Option<Fault>> = Vec::new();
        for threads in [1, 2, 2, 2, 0, 0] {
            let options = Options { threads, instruction_budget: budget, ..Options::default() };
            seen.push(run(body, shape, false, &options).err());
        }
        if seen.iter().any(|other| *other != seen[0]) {
            wrong.push(format!("{body} {shape:?} {budget}: not the same every time: {seen:#?}"));
        }
        let got = seen[0].as_ref().map(|fault| {
            assert!(matches!(fault.kind, FaultKind::Budget { .. }), "{fault}");
            (fault.site.as_ref().unwrap().block[0], fault.to_string())
        });
        let fits = match (&got, want) {
            (None, None) => true,
            (Some((block, text)), Some((at, part))) => {
                *block == at && text.contains(part) && text.contains("--budget")
            }
            _ => false,
        };
        if !fits {
            wrong.push(format!("{body} {shape:?} {budget}: {got:?}\nnot {want:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A launch that is interrupted says where every warp stands, of every block that is under way.
#[test]
fn interruptions() {
    let bodies = [
        ("L: bra L;", "block (0, 0, 0): warps 0 to 1 at line 8"),
        (
            "mov.u32 %r1, %tid.x;\nsetp.lt.u32 %p1, %r1, 32;\nL: @%p1 bra L;\nM: bra M;",
            "block (0, 0, 0): warp 0 at line 10, warp 1 at line 11",
        ),
    ];
    for (body, want) in bodies {
        for warp_order in [WarpOrder::InOrder, WarpOrder::Random(1)] {
            let interrupted = |after| {
                let monitor = Monitor::new();
                let options = Options { warp_order, monitor: Some(monitor.clone()), ..Options::default() };
                let start = Instant::now();
                let fault = thread::scope(|scope| {
                    scope.spawn(|| {
                        thread::sleep(after);
                        monitor.interrupt();
                    });
                    run(body, (3, 64), false, &options).unwrap_err()
                });
                assert!(start.elapsed() < after + Duration::from_secs(20));
                let text = fault.to_string();
                assert!(text.starts_with("interrupted: 0 of 3 blocks are done; under way are"), "{text}");
                text
            };
            // On a host that is busy the first block takes its time to begin.
            let mut waits = [50, 500, 5000].map(Duration::from_millis).into_iter();
            assert!(waits.any(|after| interrupted(after).contains(want)), "{want}");
        }
    }
    // One that is not interrupted tells how far it is.
    let monitor = Monitor::new();
    let options = Options { monitor: Some(monitor.clone()), ..Options::default() };
    run("", (100, 32), false, &options).unwrap();
    assert_eq!(monitor.progress(), (100, 100));
}

/// No allocation is tried that the host has no room for, and what was asked for is said.
#[test]
fn memory_by_request() {
    type Make = fn(&mut Memory) -> Result<u64, MemoryError>;
    let rows: [(Make, &str); 8] = [
        (|m| m.alloc(1000, 16), ""),
        (|m| m.alloc(0, 1), ""),
        (|m| m.alloc(1 << 40, 16), "cannot allocate 1099511627776 bytes: "),
        (|m| m.alloc(usize::MAX, 1), "cannot allocate 18446744073709551615 bytes: "),
        (
            |m| m.alloc(600_000, 16),
            "cannot allocate 600000 bytes: the emulator keeps two bytes of the host for each",
        ),
        (|m| m.alloc(8, 3), "cannot allocate 8 bytes aligned to 3: an alignment is a power of two"),
        (|m| m.alloc(8, 0), "cannot allocate 8 bytes aligned to 0: "),
        (|m| m.alloc(8, 1 << 63), "cannot allocate 8 bytes aligned to 9223372036854775808: "),
    ];
    for (make, want) in rows {
        let mut memory = Memory::with_limit(1 << 20);
        let got = make(&mut memory).map_or_else(|error| error.to_string(), |_| String::new());
        assert!(if want.is_empty() { got.is_empty() } else { got.starts_with(want) }, "{got}\n{want}");
    }
    // What is given back can be had again, without end.
    let mut memory = Memory::with_limit(1 << 20);
    for _ in 0..100 {
        let address = memory.alloc(400_000, 16).unwrap();
        assert!(matches!(memory.alloc(400_000, 16), Err(MemoryError::Limit { .. })));
        memory.free(address).unwrap();
    }
    // Addresses do not run out into those of shared memory.
    let mut memory = Memory::new();
    let ended = (0..10_000).find_map(|_| memory.alloc(0, 1 << 37).err());
    assert!(matches!(ended, Some(MemoryError::Limit { .. })));
}

/// A block that does not fit in what is left is refused, and as many run at once as do.
#[test]
fn launches_in_little_memory() {
    let text = |body: &str| crate::machine::kernel(body);
    let launch = |text: &str, limit: u64, launch: Launch| {
        let mut memory = Memory::with_limit(limit);
        let params = vec![vec![0; 8], vec![0; 8]];
        let module = Module::load(text).unwrap();
        let outcome = module.launch(&mut memory, "k", &Launch { params, ..launch }, &Options::default());
        outcome.map(|_| ()).map_err(|fault| fault.to_string())
    };
    let many = Launch { grid: [64, 1, 1], block: [1024, 1, 1], ..Launch::default() };
    let local = text(".local .b8 L[100000];");
    let shared = Launch { dynamic_shared_bytes: 200_000, ..Launch::default() };
    assert_eq!(launch(&text(""), 1 << 22, many.clone()), Ok(()));
    for (text, limit, shape) in
        [(&text(""), 1 << 16, many), (&local, 1 << 22, Launch::default()), (&text(""), 1 << 20, shared)]
    {
        let error = launch(text, limit, shape).unwrap_err();
        assert!(error.contains("bytes of the host's memory") && error.contains("--memory"), "{error}");
    }
    let variable = ".version 8.0\n.target sm_80\n.address_size 64\n.global .b8 x[1000000];\n.entry k(.param .u64 a, .param .u64 b) { ret; }";
    let error = launch(variable, 1 << 20, Launch::default()).unwrap_err();
    assert!(error.starts_with("cannot allocate 1000000 bytes: "), "{error}");
}

/// `grid.sync()` as nvcc writes it, with what every block wrote before it read by every block after it.
const GRID_SYNC: &str = "
    mov.u32 %r1, %envreg2; cvt.u64.u32 %rd1, %r1; mov.u32 %r2, %envreg1; cvt.u64.u32 %rd2, %r2; bfi.b64 %rd1, %rd2, %rd1, 32, 32;
    mov.u32 %r3, %tid.x; mov.u32 %r4, %ctaid.x; mov.u32 %r5, %nctaid.x; mov.u32 %r20, 0;
    ROUND: mul.wide.u32 %rd3, %r4, 4; add.u64 %rd3, %in, %rd3; setp.ne.u32 %p1, %r3, 0; add.u32 %r6, %r4, %r20;
    @%p1 bra STORED; st.global.u32 [%rd3], %r6; STORED:
    barrier.sync 0;
    @%p1 bra WAITED;
    setp.eq.u32 %p2, %r4, 0; mov.u32 %r7, 0x80000001; sub.u32 %r7, %r7, %r5; selp.b32 %r7, %r7, 1, %p2;
    add.s64 %rd4, %rd1, 4; atom.add.release.gpu.u32 %r8, [%rd4], %r7;
    POLL: ld.acquire.gpu.u32 %r9, [%rd4]; xor.b32 %r10, %r9, %r8; setp.gt.s32 %p3, %r10, -1; @%p3 bra POLL;
    WAITED: barrier.sync 0;
    mov.u32 %r11, 0; mov.u32 %r12, 0;
    SUM: mul.wide.u32 %rd5, %r12, 4; add.u64 %rd5, %in, %rd5; ld.global.u32 %r13, [%rd5]; add.u32 %r11, %r11, %r13;
    add.u32 %r12, %r12, 1; setp.lt.u32 %p4, %r12, %r5; @%p4 bra SUM;
    add.u32 %r20, %r20, 1; setp.lt.u32 %p5, %r20, 3;
    barrier.sync 0;
    @%p1 bra AGAIN;
    setp.eq.u32 %p2, %r4, 0; selp.b32 %r7, %r7, 1, %p2;
    atom.add.release.gpu.u32 %r8, [%rd4], %r7;
    POLL2: ld.acquire.gpu.u32 %r9, [%rd4]; xor.b32 %r10, %r9, %r8; setp.gt.s32 %p3, %r10, -1; @%p3 bra POLL2;
    AGAIN: barrier.sync 0;
    @%p5 bra ROUND;
    @%p1 bra END; st.global.u32 [%rd3], %r11; END:";

/// All blocks wait for all others, in every order; without being asked for, that is an error that says how.
#[test]
fn cooperative_launches() {
    let policies = [AsyncPolicy::Eager, AsyncPolicy::Lazy, AsyncPolicy::Random(7)];
    let check = |blocks: u32, options: &Options| {
        let (words, _) =
            run(GRID_SYNC, (blocks, 64), true, options).unwrap_or_else(|fault| panic!("{fault}"));
        let want = (0..blocks).map(|block| block + 2).sum::<u32>();
        assert!(words[..blocks as usize].iter().all(|word| *word == want), "{blocks} {options:?}: {words:?}");
    };
    for blocks in [1, 2, 7] {
        for seed in 0..20 {
            for policy in policies {
                let warp_order = WarpOrder::Random(seed);
                check(
                    blocks,
                    &Options { policy, warp_order, sanitize: (seed % 2 == 0).into(), ..Options::default() },
                );
            }
        }
    }
    for threads in [1, 2, 0] {
        check(300, &Options { threads, ..Options::default() });
        check(40, &Options { threads, sanitize: Sanitize::USUAL, ..Options::default() });
    }
    let fault = run(GRID_SYNC, (2, 64), false, &Options::default()).unwrap_err();
    assert!(matches!(fault.kind, FaultKind::NotCooperative("%envreg2")), "{fault}");
    assert!(fault.to_string().contains("`\"cooperative\": true`") && fault.site.unwrap().line == 9);
    // A barrier that one block never comes to.
    let stays =
        GRID_SYNC.replacen("barrier.sync 0;", "setp.eq.u32 %p6, %r4, 1; @%p6 exit; barrier.sync 0;", 1);
    let options = Options { instruction_budget: 200_000, ..Options::default() };
    let fault = run(&stays, (3, 64), true, &options).unwrap_err();
    assert!(matches!(fault.kind, FaultKind::Budget { .. }), "{fault}");
    // A block that fails while the others wait for it is the one that is named.
    let fails =
        GRID_SYNC.replacen("barrier.sync 0;", "setp.eq.u32 %p6, %r4, 2; @%p6 trap; barrier.sync 0;", 1);
    for threads in [1, 2] {
        let fault = run(&fails, (5, 64), true, &Options { threads, ..Options::default() }).unwrap_err();
        let block = fault.site.as_ref().map(|site| site.block);
        assert!(fault.kind == FaultKind::Trap && block == Some([2, 0, 0]), "{fault}");
    }
    // More blocks than any GPU has room for at once, by number, by threads and by shared memory.
    for (grid, block, bytes, room) in [(4225, 32, 0, 4224), (1000, 1024, 0, 264), (200, 32, 150_000, 132)] {
        let module = Module::load(&crate::machine::kernel("")).unwrap();
        let launch = |grid: u32, limit| {
            let mut memory = Memory::with_limit(limit);
            let shape = Launch { grid: [grid, 1, 1], block: [block, 1, 1], ..Launch::default() };
            let params = vec![vec![0; 8], vec![0; 8]];
            let launch = Launch { cooperative: true, dynamic_shared_bytes: bytes, params, ..shape };
            module
                .launch(&mut memory, "k", &launch, &Options::default())
                .map(|_| ())
                .map_err(|fault| fault.to_string())
        };
        let error = launch(grid, 1 << 32).unwrap_err();
        assert!(error.contains(&format!("a cooperative launch of {grid} blocks")), "{error}");
        assert!(error.contains(&format!("has room for {room}")), "{error}");
        assert_eq!(launch(room, 1 << 33), Ok(()));
        assert!(launch(room, 1 << 23).unwrap_err().contains("--memory"));
    }
}
