//! What orders two accesses to shared memory and what does not. Every row is run under every policy and a few
//! orders of warps: what is found in one of them is found in all, whichever access comes first, and so is silence.

use crate::two_warps::{INIT, LANES, NEXT_LANE, OTHER_WARP, RACE, STORE, check, harnesses, run};
use flashpage_emulator::{Options, Sanitize};

#[test]
fn what_orders_accesses() {
    // What stands between a store and a load, whose word is loaded, and what is found: nothing if empty.
    let rows: &[(&str, String, &str)] = &[
        ("nothing", [STORE, OTHER_WARP].concat(), RACE),
        ("bar.sync", [STORE, "bar.sync 0;", OTHER_WARP].concat(), ""),
        ("a named barrier for both", [STORE, "barrier.sync.aligned 3, 64;", OTHER_WARP].concat(), ""),
        ("different barriers", [STORE, "add.u32 %r6, %r2, 1; bar.sync %r6, 32;", OTHER_WARP].concat(), RACE),
        ("a warp's barrier", [STORE, "bar.warp.sync -1;", OTHER_WARP].concat(), RACE),
        ("a fence alone", [STORE, "membar.cta;", OTHER_WARP].concat(), RACE),
        ("the cluster's barrier", [STORE, "barrier.cluster.arrive; barrier.cluster.wait;", OTHER_WARP].concat(), ""),
        (
            "the cluster's barrier, relaxed",
            [STORE, "barrier.cluster.arrive.relaxed; barrier.cluster.wait;", OTHER_WARP].concat(),
            RACE,
        ),
        (
            "an arrival on one side, a wait on the other",
            "@%p2 st.shared.u32 [%r3], %r1; @%p2 bra A; bar.sync 1, 64; ld.shared.u32 %r20, [%r4]; ret; A: bar.arrive 1, 64;"
                .to_string(),
            "",
        ),
        (
            "the same, the other way round",
            "@%p2 st.shared.u32 [%r3], %r1; @%p2 bra A; bar.arrive 1, 64; ld.shared.u32 %r20, [%r4]; ret; A: bar.sync 1, 64;"
                .to_string(),
            RACE,
        ),
        (
            "an mbarrier",
            [INIT, STORE, "mbarrier.arrive.shared.b64 %rd5, [B]; W: mbarrier.test_wait.shared.b64 %p5, [B], %rd5; @!%p5 bra W;", OTHER_WARP].concat(),
            "",
        ),
        (
            "an mbarrier, by parity and asleep",
            [INIT, STORE, "mbarrier.arrive.shared.b64 _, [B]; W: mbarrier.try_wait.parity.shared.b64 %p5, [B], 0; @!%p5 bra W;", OTHER_WARP].concat(),
            "",
        ),
        (
            "an mbarrier that nobody waits for",
            [INIT, STORE, "mbarrier.arrive.shared.b64 _, [B];", OTHER_WARP].concat(),
            RACE,
        ),
        (
            "a flag, with release and acquire",
            "@%p2 st.shared.u32 [%r3], %r1; @%p2 bra A; W: ld.acquire.cta.shared.u32 %r21, [S+512]; setp.ne.u32 %p5, %r21, 1; @%p5 bra W; ld.shared.u32 %r20, [%r4]; ret; \
             A: bar.warp.sync -1; @%p1 st.release.cta.shared.u32 [S+512], 1;"
                .to_string(),
            "",
        ),
        (
            "a flag that is an ordinary word",
            "@%p2 st.shared.u32 [%r3], %r1; @%p2 bra A; mov.u32 %r22, 100; W: ld.shared.u32 %r21, [S+512]; sub.u32 %r22, %r22, 1; setp.ne.u32 %p5, %r22, 0; @%p5 bra W; ret; \
             A: @%p1 st.shared.u32 [S+512], 1;"
                .to_string(),
            "[S+512]",
        ),
        ("writes of the same word", "st.shared.u32 [S], %r1;".to_string(), "a write of shared memory"),
        ("writes of the same value", "st.shared.u32 [S], 7;".to_string(), ""),
        ("atomics", "@%p1 st.shared.u32 [S], 0; bar.sync 0; atom.shared.add.u32 %r20, [S], 1;".to_string(), ""),
        ("an atomic and a load", "@%p1 st.shared.u32 [S], 0; bar.sync 0; @%p2 red.shared.add.u32 [S], 1; @!%p2 ld.shared.u32 %r20, [S];".to_string(), "race"),
        ("two bytes of a word", "mov.u32 %r10, S; add.u32 %r10, %r10, %r2; st.shared.u8 [%r10], %r2;".to_string(), ""),
        ("another lane's word", [STORE, NEXT_LANE].concat(), LANES),
        ("another lane's word, after the warp's barrier", [STORE, "bar.warp.sync -1;", NEXT_LANE].concat(), ""),
        (
            "another lane's word, after a shuffle, which orders nothing",
            [STORE, "shfl.sync.bfly.b32 %r30, %r1, 1, 31, -1;", NEXT_LANE].concat(),
            LANES,
        ),
        ("one's own word", "st.shared.u32 [%r3], %r1; ld.shared.u32 %r20, [%r3];".to_string(), ""),
        (
            "a copy that its lane waited for, read by another lane",
            ["cp.async.ca.shared.global [%r3], [%rd3], 4; cp.async.wait_all;", NEXT_LANE].concat(),
            "by another lane of the warp",
        ),
        (
            "a copy that its lane waited for, read by that lane",
            "cp.async.ca.shared.global [%r3], [%rd3], 4; cp.async.wait_all; ld.shared.u32 %r20, [%r3];".to_string(),
            "",
        ),
        (
            "a copy over what another warp still reads",
            "st.shared.u32 [%r3], %r1; bar.sync 0; ld.shared.u32 %r20, [%r4]; cp.async.ca.shared.global [%r3], [%rd3], 4; cp.async.wait_all;".to_string(),
            "of shared memory at",
        ),
        (
            "copies that an mbarrier tells of",
            [INIT, "cp.async.ca.shared.global [%r3], [%rd3], 4; cp.async.mbarrier.arrive.noinc.shared.b64 [B]; W: mbarrier.try_wait.parity.shared.b64 %p5, [B], 0; @!%p5 bra W;", OTHER_WARP].concat(),
            "",
        ),
        (
            "copies that an mbarrier tells of, not waited for",
            [INIT, "cp.async.ca.shared.global [%r3], [%rd3], 4; cp.async.mbarrier.arrive.noinc.shared.b64 [B];", OTHER_WARP].concat(),
            "of shared memory at",
        ),
    ];
    check(rows);
}

/// A bulk copy needs a fence between an ordinary store and its own read, on either side of the barrier.
#[test]
fn the_async_proxy_needs_its_fence() {
    let copy = "@%p1 cp.async.bulk.global.shared::cta.bulk_group [%rd1], [S], 256; cp.async.bulk.commit_group; \
                cp.async.bulk.wait_group.read 0;";
    let rows = [
        (["st.shared.u32 [%r3], %r1;", "fence.proxy.async.shared::cta;", "bar.sync 0;", copy], ""),
        (["st.shared.u32 [%r3], %r1;", "bar.sync 0;", "fence.proxy.async;", copy], ""),
        (["fence.proxy.async;", "st.shared.u32 [%r3], %r1;", "bar.sync 0;", copy], "no `fence.proxy.async`"),
        (["st.shared.u32 [%r3], %r1;", "bar.sync 0;", "", copy], "no `fence.proxy.async`"),
        (["st.shared.u32 [%r3], %r1;", "fence.proxy.async;", "", copy], "of shared memory at"),
    ];
    for (parts, want) in rows {
        for options in harnesses() {
            let got = run(&parts.concat(), &options);
            match want.is_empty() {
                true => assert_eq!(got, Ok(()), "{parts:?}"),
                false => assert!(got.as_ref().is_err_and(|m| m.contains(want)), "{parts:?}: {got:?}"),
            }
        }
    }
}

/// One that reads what lanes have copied needs it too, if strictly: by an mbarrier, by a wait, on either side.
#[test]
fn what_lanes_copied_needs_it_strictly() {
    let copy = "@%p1 cp.async.bulk.global.shared::cta.bulk_group [%rd2], [S], 256; cp.async.bulk.commit_group; \
                cp.async.bulk.wait_group.read 0;";
    let (fence, barrier) = ("fence.proxy.async.shared::cta;", "bar.sync 0;");
    let bring = "cp.async.ca.shared.global [%r3], [%rd3], 4; cp.async.wait_all;";
    let arrive = "cp.async.ca.shared.global [%r3], [%rd3], 4; cp.async.mbarrier.arrive.noinc.shared.b64 [B]; \
                  W: mbarrier.try_wait.parity.shared.b64 %p5, [B], 0; @!%p5 bra W;";
    let rows: &[(&[&str], bool)] = &[
        (&[bring, fence, barrier, copy], true),
        (&[bring, barrier, fence, copy], true),
        (&[bring, barrier, copy], false),
        (&[fence, bring, barrier, copy], false),
        (&[INIT, arrive, fence, copy], true),
        (&[INIT, arrive, copy], false),
    ];
    for (parts, is_fenced) in rows {
        for options in harnesses() {
            assert_eq!(run(&parts.join(" "), &options), Ok(()), "{parts:?}");
            let strict = Options { sanitize: Sanitize::ALL, ..options };
            let got = run(&parts.join(" "), &strict);
            let found = got.as_ref().is_err_and(|m| m.contains("no `fence.proxy.async`"));
            assert_eq!((got.is_ok(), found), (*is_fenced, !is_fenced), "{parts:?}: {got:?}");
        }
    }
}

/// So does one over what an ordinary store wrote; not one over what was only read or held an mbarrier, nor an
/// asynchronous store, which does not go through the async proxy.
#[test]
fn writes_through_the_async_proxy_need_its_fence() {
    let store = "st.shared.u32 [%r3], %r1;";
    let copy = "@%p1 mbarrier.arrive.expect_tx.shared.b64 _, [B], 256; \
                @%p1 cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [S], [%rd1], 256, [B]; \
                W: mbarrier.try_wait.parity.shared.b64 %p5, [B], 0; @!%p5 bra W; ld.shared.u32 %r20, [%r3];";
    let reduce = &copy
        .replace("cp.async.bulk.shared::cluster.global", "cp.reduce.async.bulk.shared::cluster.shared::cta");
    let reduce = &reduce.replace("bytes [S], [%rd1]", "bytes.add.u32 [S], [S+256]");
    let async_store = "mbarrier.arrive.expect_tx.shared.b64 _, [B], 4; \
                       st.async.shared::cluster.mbarrier::complete_tx::bytes.b32 [%r3], %r1, [B]; \
                       W: mbarrier.try_wait.parity.shared.b64 %p5, [B], 0; @!%p5 bra W; ld.shared.u32 %r20, [%r3];";
    let one = "@%p1 mbarrier.init.shared.b64 [B], 1; bar.sync 0;";
    let (fence, barrier, read) =
        ("fence.proxy.async.shared::cta;", "bar.sync 0;", "ld.shared.u32 %r21, [%r4];");
    let other = "@%p1 mbarrier.init.shared.b64 [S], 1;";
    let unfenced = "is written through the async proxy";
    let rows: &[(&[&str], &str)] = &[
        (&[one, store, fence, barrier, copy], ""),
        (&[one, store, barrier, fence, copy], ""),
        (&[one, store, fence, barrier, read, barrier, copy], ""),
        (&[one, store, barrier, copy], unfenced),
        (&[one, fence, store, barrier, copy], unfenced),
        (&[one, store, barrier, "@%p3", fence, copy], unfenced),
        (&[one, store, fence, copy], "of shared memory at"),
        (&[one, "st.shared.u32 [%r3+256], %r1;", fence, store, barrier, reduce], unfenced),
        (&[one, "st.shared.u32 [%r3+256], %r1;", store, fence, barrier, reduce], ""),
        (&[one, store, fence, barrier, other, copy], ""),
        (&[INIT, store, barrier, async_store], ""),
    ];
    for (parts, want) in rows {
        for options in harnesses() {
            let got = run(&parts.join(" "), &options);
            match want.is_empty() {
                true => assert_eq!(got, Ok(()), "{parts:?}"),
                false => assert!(got.as_ref().is_err_and(|m| m.contains(want)), "{parts:?}: {got:?}"),
            }
        }
    }
}

/// What a copy still reads may not be written, and may not go away with its block.
#[test]
fn bulk_copies_are_waited_for() {
    let begin = "st.shared.u32 [%r3], %r1; fence.proxy.async; bar.sync 0; \
                 @%p1 cp.async.bulk.global.shared::cta.bulk_group [%rd1], [S], 256;";
    let rows = [
        ("cp.async.bulk.commit_group; cp.async.bulk.wait_group.read 0; @%p1 st.shared.u32 [S], 9;", ""),
        (
            "cp.async.bulk.commit_group; @%p1 st.shared.u32 [S], 9; cp.async.bulk.wait_group 0;",
            "a bulk copy may still read",
        ),
        ("cp.async.bulk.wait_group 0;", "the thread exits while this bulk copy may still read"),
        (
            "cp.async.bulk.commit_group; cp.async.bulk.wait_group 1;",
            "the thread exits while this bulk copy may still read",
        ),
    ];
    for (rest, want) in rows {
        for options in harnesses() {
            let got = run(&format!("{begin} {rest}"), &options);
            match want.is_empty() {
                true => assert_eq!(got, Ok(()), "{rest}"),
                false => assert!(got.as_ref().is_err_and(|m| m.contains(want)), "{rest}: {got:?}"),
            }
        }
    }
}

/// A deadlock names every warp that waits, with its line and how far what it waits for has come.
#[test]
fn deadlocks_are_told() {
    let rows = [
        (
            format!(
                "{INIT} @%p1 mbarrier.arrive.shared.b64 _, [B]; W: mbarrier.try_wait.parity.shared.b64 %p5, [B], 0; @!%p5 bra W;"
            ),
            "1 arrivals",
        ),
        (
            format!("{INIT} W: mbarrier.test_wait.parity.shared.b64 %p5, [B], 0; @!%p5 bra W;"),
            "deadlock: warp 0 waits at line",
        ),
        (
            "@%p2 bar.sync 1, 64; @!%p2 bar.sync 2, 64;".to_string(),
            "(barrier 1, 1 of 2 warps), warp 1 waits at line",
        ),
        (
            "@%p2 barrier.cluster.arrive; @%p2 barrier.cluster.wait; @!%p2 bar.sync 1, 64;".to_string(),
            "deadlock",
        ),
    ];
    for (body, want) in rows {
        for options in harnesses() {
            let message = run(&body, &options).expect_err(&body);
            let want = if want == "1 arrivals" { "63 of 64 arrivals" } else { want };
            assert!(message.contains(want), "{message}");
        }
    }
}

/// A barrier's uses must not run into each other: whoever arrives has to know that the last one is over.
#[test]
fn uses_of_a_barrier_are_kept_apart() {
    let rows = [
        ("both wait, again and again", "bar.sync 1, 64; bar.sync 1, 64; bar.sync 1, 64;".to_string(), ""),
        ("one arrives and one waits", "@%p2 bar.arrive 1, 64; @!%p2 bar.sync 1, 64;".to_string(), ""),
        (
            "one arrives and one waits, twice, with nothing back",
            "@%p2 bra A; bar.sync 1, 64; bar.sync 1, 64; ret; A: bar.arrive 1, 64; bar.arrive 1, 64;".to_string(),
            "it could have counted for that|more warps arrive than take part|deadlock",
        ),
        (
            "one arrives and one waits, in turn",
            "@%p2 bra A; bar.sync 1, 64; bar.arrive 2, 64; bar.sync 1, 64; ret; A: bar.arrive 1, 64; bar.sync 2, 64; bar.arrive 1, 64;"
                .to_string(),
            "",
        ),
        (
            "each by itself",
            "bar.sync 1, 32;".to_string(),
            "it could have counted for that",
        ),
        ("each by itself, in turn", "@%p2 bar.sync 1, 32; bar.sync 0; @!%p2 bar.sync 1, 32;".to_string(), ""),
    ];
    check(&rows);
}
