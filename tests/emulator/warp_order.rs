//! Blocks and warps that wait for each other, and the order in which they take turns.

use crate::machine::Run;
use flashpage_emulator::{Fault, Sanitize, WarpOrder};

/// Every block adds one to a counter and spins until all have.
const GRID_BARRIER: &str = "mov.u32 %r1, %tid.x; setp.ne.u32 %p1, %r1, 0; @%p1 bra DONE;\n\
    atom.global.add.u32 %r2, [%in], 1; mov.u32 %r3, %nctaid.x;\n\
    SPIN: ld.acquire.gpu.global.u32 %r4, [%in]; setp.lt.u32 %p2, %r4, %r3; @%p2 bra SPIN;\n\
    st.global.u32 [%out], %r4;\n\
    DONE: bar.sync 0;";

#[test]
fn a_grid_may_wait_for_all_its_blocks() {
    for warp_order in [WarpOrder::InOrder, WarpOrder::Random(3)] {
        let mut run = Run::new(GRID_BARRIER).grid(24);
        run.input = vec![0; 4];
        run.options.warp_order = warp_order;
        run.options.threads = 1;
        run.options.sanitize = Sanitize::NONE;
        // A seeded order has three blocks under way, and lets more in as they stay.
        assert_eq!(run.words()[0], 24, "{warp_order:?}");
    }
}

/// Block `n` waits for block `n + 1`, which begins later.
#[test]
fn a_block_may_wait_for_a_later_one() {
    let body = "mov.u32 %r1, %ctaid.x; mov.u32 %r2, %nctaid.x; sub.u32 %r2, %r2, 1;\n\
        mul.wide.u32 %rd1, %r1, 4; add.u64 %rd1, %rd1, %out; setp.eq.u32 %p1, %r1, %r2; @%p1 bra TELL;\n\
        SPIN: ld.acquire.gpu.global.u32 %r3, [%rd1+4]; setp.eq.u32 %p2, %r3, 0; @%p2 bra SPIN;\n\
        TELL: st.release.gpu.global.u32 [%rd1], 1;";
    let init = "mov.u32 %r9, 0;";
    let mut run = Run::new(&format!("{init}{body}")).grid(6);
    run.options.sanitize = Sanitize::NONE;
    run.options.threads = 1;
    run.input = vec![0; 64];
    // Unwritten memory reads as all ones, which is "told" here: the flags lie in the input, which is zero.
    run.text = run.text.replace("%out, [out]", "%out, [in]");
    let words = run.bytes().map(|_| ());
    assert_eq!(words, Ok(()));
}

/// What one warp sees of another's stores depends on the turns, and a seed repeats them.
#[test]
fn a_seed_repeats_its_turns() {
    let body = ".shared .align 4 .b8 S[8]; mov.u32 %r1, %tid.x; setp.lt.u32 %p1, %r1, 32;\n\
        @%p1 st.relaxed.cta.shared.u32 [S], 0; bar.sync 0; mov.u32 %r2, 0; mov.u32 %r3, 0; @%p1 bra COUNT;\n\
        WATCH: ld.relaxed.cta.shared.u32 %r4, [S]; add.u32 %r3, %r3, %r4; add.u32 %r2, %r2, 1;\n\
        setp.lt.u32 %p2, %r2, 100; @%p2 bra WATCH; st.global.u32 [%out], %r3; ret;\n\
        COUNT: add.u32 %r2, %r2, 1; st.relaxed.cta.shared.u32 [S], %r2; setp.lt.u32 %p2, %r2, 100; @%p2 bra COUNT;";
    let sum = |warp_order| {
        let mut run = Run::new(body).block(64);
        run.options.warp_order = warp_order;
        run.words()[0]
    };
    let seen: Vec<u32> = (0..8).map(|seed| sum(WarpOrder::Random(seed))).collect();
    let again: Vec<u32> = (0..8).map(|seed| sum(WarpOrder::Random(seed))).collect();
    assert_eq!(seen, again);
    let mut different = seen.clone();
    different.sort_unstable();
    different.dedup();
    assert!(different.len() > 4, "turns hardly differ: {seen:?}");
}

/// Lanes of one warp that wait for each other: some hold a lock that others spin for.
#[test]
fn lanes_that_spin_let_the_others_go() {
    let body = ".shared .align 4 .b8 L[8]; mov.u32 %r1, %tid.x; setp.eq.u32 %p1, %r1, 0; @%p1 st.shared.u32 [L], 0;\n\
        @%p1 st.shared.u32 [L+4], 0; bar.sync 0;\n\
        SPIN: atom.shared.cas.b32 %r2, [L], 0, 1; setp.ne.u32 %p2, %r2, 0; @%p2 bra SPIN; membar.cta;\n\
        ld.volatile.shared.u32 %r3, [L+4]; add.u32 %r3, %r3, 1; st.volatile.shared.u32 [L+4], %r3;\n\
        membar.cta; atom.shared.exch.b32 %r4, [L], 0; bar.sync 0; ld.volatile.shared.u32 %r5, [L+4]; st.global.u32 [%out], %r5;";
    for warp_order in [WarpOrder::InOrder, WarpOrder::Random(1), WarpOrder::Random(2)] {
        let mut run = Run::new(body).block(64);
        run.options.warp_order = warp_order;
        assert_eq!(run.words()[0], 64, "{warp_order:?}");
    }
}

/// A fault is the same for the same seed.
#[test]
fn a_seed_repeats_its_fault() {
    let body = ".shared .align 4 .b8 S[256]; mov.u32 %r1, %tid.x; mad.lo.u32 %r2, %r1, 4, 0; mov.u32 %r3, S;\n\
        add.u32 %r2, %r2, %r3; st.shared.u32 [S], %r1; ld.shared.u32 %r4, [%r2];";
    let fault = |seed| -> Fault {
        let mut run = Run::new(body).block(64);
        run.options.warp_order = WarpOrder::Random(seed);
        run.fault()
    };
    for seed in 0..8 {
        assert_eq!(fault(seed), fault(seed));
    }
}
