//! An mbarrier has to be made before others use it and kept until they are done, and something has to order that: what is
//! found may not hang on who happens to come first.

use crate::two_warps::{INIT, OTHER_WARP, RACE, STORE, check};

/// Orders the stores that the kernel begins with before what a copy writes.
const PROXY: &str = "fence.proxy.async; bar.sync 0;";
const USE: &str =
    "mbarrier.arrive.shared.b64 _, [B]; W: mbarrier.try_wait.parity.shared.b64 %p5, [B], 0; @!%p5 bra W;";

#[test]
fn made_before_and_kept_after() {
    let make = "@%p1 mbarrier.init.shared.b64 [B], 64;";
    // Where the user comes first there is nothing to use, which is as good a name.
    let unordered = "race|there is none";
    let inval = "@%p1 mbarrier.inval.shared.b64 [B];";
    let bulk = "@%p3 mbarrier.arrive.expect_tx.shared.b64 _, [B], 16; @%p3 cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [S], [%rd1], 16, [B];";
    check(&[
        ("no barrier", [make, USE].concat(), unordered),
        ("a barrier", [make, "bar.sync 0;", USE].concat(), ""),
        ("the warp's barrier, for the other warp", [make, "bar.warp.sync -1;", USE].concat(), unordered),
        ("the warp's barrier, for the warp", ["@!%p2 ret;", "@%p1 mbarrier.init.shared.b64 [B], 32;", "bar.warp.sync -1;", USE].concat(), ""),
        ("nothing, for the warp", ["@!%p2 ret;", "@%p1 mbarrier.init.shared.b64 [B], 32;", USE].concat(), "race"),
        ("a fence is no barrier", [make, "fence.mbarrier_init.release.cluster;", USE].concat(), unordered),
        ("a fence for the cluster and its barrier, relaxed", [make, "fence.mbarrier_init.release.cluster; barrier.cluster.arrive.relaxed; barrier.cluster.wait;", USE].concat(), ""),
        ("the cluster's barrier, relaxed, no fence", [make, "barrier.cluster.arrive.relaxed; barrier.cluster.wait;", USE].concat(), "race"),
        ("the cluster's barrier", [make, "barrier.cluster.arrive; barrier.cluster.wait;", USE].concat(), ""),
        ("only waits", [make, "@%p1 bra A; W: mbarrier.test_wait.parity.shared.b64 %p5, [B], 1; A:"].concat(), unordered),
        ("a copy that tells it", [PROXY, "@%p1 mbarrier.init.shared.b64 [B], 1;", bulk].concat(), unordered),
        ("a copy that tells it, after a barrier", [PROXY,
                "@%p1 mbarrier.init.shared.b64 [B], 1; bar.sync 0;", bulk, "W: mbarrier.try_wait.parity.shared.b64 %p5, [B], 0; @!%p5 bra W;"].concat(), ""),
        ("copies of threads that tell it", ["@%p1 mbarrier.init.shared.b64 [B], 32;", "@%p2 bra A; cp.async.ca.shared.global [%r3], [%rd3], 4; cp.async.mbarrier.arrive.noinc.shared.b64 [B]; A:"].concat(), unordered),
        ("bytes that are expected", [make, "@%p3 mbarrier.expect_tx.relaxed.cta.shared::cta.b64 [B], 16;"].concat(), unordered),
        ("ended while others wait", [INIT, USE, inval].concat(), unordered),
        ("ended after a barrier", [INIT, USE, "bar.sync 0;", inval].concat(), ""),
        ("made again while others wait", [INIT, USE, make].concat(), "race|a phase of it has begun"),
        ("made again after a barrier", [INIT, USE, "bar.sync 0;", make, "bar.sync 0;", &USE.replace('W', "V")].concat(), ""),
        ("written over while others wait", [INIT, USE, "@%p1 st.shared.b64 [B], 0;"].concat(), "race|was stored over it"),
        ("written over after a barrier", [INIT, USE, "bar.sync 0; @%p1 st.shared.b64 [B], 0;"].concat(), ""),
        ("a copy over it while others wait", [INIT, USE, "@%p1 cp.async.ca.shared.global [B], [%rd1], 8; cp.async.wait_all;"].concat(), "race|was stored over it|which a cp.async may still write"),
    ]);
}

/// A relaxed arrival or wait orders between two fences.
#[test]
fn relaxed_with_fences() {
    let arrive = "mbarrier.arrive.relaxed.cta.shared.b64 _, [B];";
    let wait = "W: mbarrier.try_wait.parity.relaxed.cta.shared.b64 %p5, [B], 0; @!%p5 bra W;";
    let fence = "fence.acq_rel.cta;";
    check(&[
        ("both", [INIT, STORE, fence, arrive, wait, fence, OTHER_WARP].concat(), ""),
        ("none", [INIT, STORE, arrive, wait, OTHER_WARP].concat(), RACE),
        ("one before", [INIT, STORE, fence, arrive, wait, OTHER_WARP].concat(), RACE),
        ("one after", [INIT, STORE, arrive, wait, fence, OTHER_WARP].concat(), RACE),
    ]);
}

/// What counts for a phase must not have been able to count for the one before, or to come after its end.
#[test]
fn phases_are_kept_apart() {
    let both = "@%p1 mbarrier.init.shared.b64 [B], 2; bar.sync 0; and.b32 %r26, %r1, 31; setp.eq.u32 %p9, %r26, 0; @!%p9 bra E;";
    let arrive = "mbarrier.arrive.shared.b64 _, [B];";
    let wait = |phase: u32, label: &str| {
        format!("{label}: mbarrier.try_wait.parity.shared.b64 %p5, [B], {phase}; @!%p5 bra {label};")
    };
    let (first, second) = (wait(0, "W"), wait(1, "V"));
    let one = |count: u32| format!("{PROXY} @%p1 mbarrier.init.shared.b64 [B], {count}; bar.sync 0;");
    let copy = "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [S], [%rd1], 16, [B];";
    let early =
        "could have come before the last was over|more arrive than `init` said|a phase of it|deadlock";
    check(&[
        ("both wait between", [both, arrive, &first, arrive, &second, "E:"].concat(), ""),
        // One of the two arrives twice, perhaps for one phase.
        (
            "one does not wait",
            [both, arrive, "@!%p2 bra K;", &first, "K:", arrive, &second, "E:"].concat(),
            early,
        ),
        (
            "one does not wait, and a barrier stands for it",
            format!(
                "@%p1 mbarrier.init.shared.b64 [B], 2; bar.sync 0; and.b32 %r26, %r1, 31; setp.eq.u32 %p9, %r26, 0;\n\
                 @%p9 {arrive} @!%p2 bra K; {first} K: bar.sync 1, 64; @%p9 {arrive} {second}"
            ),
            "",
        ),
        (
            "one thread alone, whose arrivals are all",
            [&one(1), "@!%p1 bra E;", arrive, arrive, arrive, &first, "E:"].concat(),
            "",
        ),
        (
            "bytes announced by who arrives",
            [
                &one(1),
                "@!%p1 bra E; mbarrier.expect_tx.relaxed.cta.shared::cta.b64 [B], 16;",
                arrive,
                copy,
                &first,
                "E:",
            ]
            .concat(),
            "",
        ),
        (
            "bytes announced by another, with no order",
            [
                &one(1),
                "@%p3 mbarrier.expect_tx.relaxed.cta.shared::cta.b64 [B], 16;\n@%p3 ",
                copy,
                "@%p1 ",
                arrive,
                &first,
            ]
            .concat(),
            "it could have come too late|could have come before the last was over|announced fewer than are copied",
        ),
        (
            "bytes announced by another, with a barrier",
            [
                &one(1),
                "@%p3 mbarrier.expect_tx.relaxed.cta.shared::cta.b64 [B], 16;\n@%p3 ",
                copy,
                "bar.sync 0; @%p1 ",
                arrive,
                &first,
            ]
            .concat(),
            "",
        ),
        (
            "a copy for a phase that began elsewhere",
            [&one(1), "@%p1 ", arrive, "@%p3 mbarrier.arrive.expect_tx.shared.b64 _, [B], 16;\n@%p3 ", copy]
                .concat(),
            "could have come before the last was over|more arrive|announced fewer|nothing waited",
        ),
    ]);
}

/// `try_wait` gives up after a while: who does not ask again must not rely on what it waits for, whoever comes first.
#[test]
fn a_wait_is_asked_until_it_is_answered() {
    let arrive = "mbarrier.arrive.shared.b64 %rd9, [B];";
    let once = |ask: &str| format!("mbarrier.{ask}.shared.b64 %p5, [B], ");
    let (by_parity, by_state) = (once("try_wait.parity"), once("try_wait"));
    let (test, long) =
        (once("test_wait.parity"), "mbarrier.try_wait.parity.shared.b64 %p5, [B], 0, 1000000;");
    let again = "@!%p5 bra W;";
    let then = |waits: &[&str]| [&[INIT, STORE, arrive], waits, &[OTHER_WARP]].concat().concat();
    check(&[
        ("by parity", then(&["W: ", &by_parity, "0;", again]), ""),
        ("by parity, once", then(&[&by_parity, "0;"]), RACE),
        ("by state", then(&["W: ", &by_state, "%rd9;", again]), ""),
        ("by state, once", then(&[&by_state, "%rd9;"]), RACE),
        ("tested", then(&["W: ", &test, "0;", again]), ""),
        ("tested once", then(&[&test, "0;"]), RACE),
        ("with a time that is long enough, once", then(&[long]), RACE),
        ("looked at first", then(&[&test, "0; @%p5 bra D; W: ", &by_parity, "0;", again, "D: "]), ""),
        ("looked at first, then once", then(&[&test, "0; @%p5 bra D; ", &by_parity, "0; D: "]), RACE),
        (
            "for the wrong answer",
            then(&["W: ", &by_parity, "0; @%p5 bra W;"]),
            &[RACE, "|deadlock|budget"].concat(),
        ),
        (
            "by one warp, and a barrier for the others",
            then(&["@!%p2 bra D; W: ", &by_parity, "0;", again, "D: bar.sync 0; ", &by_parity, "0;"]),
            "",
        ),
        (
            "a fresh one's last phase, which is over",
            [INIT, &by_parity, "1; @!%p5 trap; ", STORE, "bar.sync 0;", OTHER_WARP].concat(),
            "",
        ),
    ]);
}
