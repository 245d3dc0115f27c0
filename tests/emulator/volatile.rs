//! `.volatile` orders nothing between threads: data that is exchanged by it alone races, and flags do not, which tell of
//! data with a fence on either side. What is found may not hang on who comes first.

use crate::two_warps::{LANES, NEXT_LANE, OTHER_WARP, RACE, check};

const STORE: &str = "st.volatile.shared.u32 [%r3], %r1;";
const LOAD: &str = "ld.volatile.shared.u32 %r20, [%r4]; st.global.u32 [%rd3], %r20;";
const NEXT: &str = "ld.volatile.shared.u32 %r20, [%r5]; st.global.u32 [%rd3], %r20;";

/// Warp 0 stores, tells by a flag, and warp 1 waits for that and loads: `before` and `after` stand around the flag.
fn flag(before: &str, set: &str, wait: &str, after: &str) -> String {
    format!(
        "@%p2 bra A;\nW: {wait}\nsetp.ne.u32 %p5, %r21, 1; @%p5 bra W;\n{after}\nld.shared.u32 %r20, [%r4];\n\
         st.global.u32 [%rd3], %r20; ret;\nA: st.shared.u32 [%r3], %r1; bar.warp.sync -1;\n{before}\n@%p1 {set}"
    )
}

#[test]
fn volatile_data_races() {
    check(&[
        ("between warps", [STORE, LOAD].concat(), RACE),
        ("between warps, by generic addresses", [STORE, LOAD].concat().replace(".shared", "").replace("[%r3]", "[%rd7]").replace("[%r4]", "[%rd8]").replace("st.volatile", "cvt.u64.u32 %rd7, %r3; cvta.shared.u64 %rd7, %rd7; cvt.u64.u32 %rd8, %r4; cvta.shared.u64 %rd8, %rd8; st.volatile"), RACE),
        ("between warps, a fence between", [STORE, "membar.cta;", LOAD].concat(), RACE),
        ("between warps, with a barrier", [STORE, "bar.sync 0;", LOAD].concat(), ""),
        ("what is read before it is written", "ld.volatile.shared.u32 %r20, [%r4]; st.global.u32 [%rd3], %r20; st.volatile.shared.u32 [%r3], %r1;".to_string(), RACE),
        ("what is read before, with a barrier", "ld.volatile.shared.u32 %r20, [%r4]; st.global.u32 [%rd3], %r20; bar.sync 0; st.volatile.shared.u32 [%r3], %r1;".to_string(), ""),
        ("a value that is dropped", [STORE, "ld.volatile.shared.u32 %r20, [%r4];"].concat(), RACE),
        ("a value that is computed with", [STORE, "ld.volatile.shared.u32 %r20, [%r4]; max.u32 %r20, %r20, %r1; bar.sync 0; st.shared.u32 [%r3], %r20;"].concat(), RACE),
        ("a vector", "st.volatile.shared.u32 [%r3], %r1; and.b32 %r30, %r4, -16; ld.volatile.shared.v4.u32 {%r20, %r21, %r22, %r23}, [%r30]; add.u32 %r20, %r20, %r23; st.global.u32 [%rd3], %r20;".to_string(), RACE),
        ("stored volatile, loaded plainly", [STORE, OTHER_WARP].concat(), RACE),
        ("stored plainly, loaded volatile", ["st.shared.u32 [%r3], %r1;", LOAD].concat(), RACE),
        ("a value that decides inside a loop", [STORE, "mov.u32 %r22, 3; L: ld.volatile.shared.u32 %r20, [%r4]; setp.lt.u32 %p5, %r20, %r1; @%p5 bra K; st.global.u32 [%rd3], %r20; K: sub.u32 %r22, %r22, 1; setp.ne.u32 %p6, %r22, 0; @%p6 bra L;"].concat(), RACE),
        ("two writers of one word", "st.volatile.shared.u32 [S+512], %r2;".to_string(), RACE),
        ("two writers of one value", "st.volatile.shared.u32 [S+512], 5;".to_string(), ""),
        ("lanes of a warp", [STORE, NEXT].concat(), LANES),
        ("lanes of a warp, plainly loaded", [STORE, NEXT_LANE].concat(), LANES),
        ("lanes of a warp, with its barrier", [STORE, "bar.warp.sync -1;", NEXT].concat(), ""),
        ("one's own word", [STORE, "ld.volatile.shared.u32 %r20, [%r3]; st.global.u32 [%rd3], %r20;"].concat(), ""),
        ("the tail of a reduction", "ld.volatile.shared.u32 %r20, [%r3]; ld.volatile.shared.u32 %r21, [%r5]; add.u32 %r20, %r20, %r21; st.volatile.shared.u32 [%r3], %r20;".to_string(), LANES),
        ("the tail of a reduction, with the warp's barriers", "ld.volatile.shared.u32 %r20, [%r3]; ld.volatile.shared.u32 %r21, [%r5]; bar.warp.sync -1; add.u32 %r20, %r20, %r21; st.volatile.shared.u32 [%r3], %r20; bar.warp.sync -1; ld.volatile.shared.u32 %r21, [%r5]; st.global.u32 [%rd3], %r21;".to_string(), ""),
        // C++ calls these atomic: no order, and no race.
        ("relaxed words", "st.relaxed.cta.shared.u32 [%r3], %r1; ld.relaxed.cta.shared.u32 %r20, [%r4]; st.global.u32 [%rd3], %r20;".to_string(), ""),
    ]);
}

#[test]
fn flags_tell_with_fences() {
    let set = "st.volatile.shared.u32 [S+512], 1;";
    let wait = "ld.volatile.shared.u32 %r21, [S+512];";
    let fence = "membar.cta;";
    let relaxed = ("st.relaxed.cta.shared.u32 [S+512], 1;", "ld.relaxed.cta.shared.u32 %r21, [S+512];");
    let strict = ("st.release.cta.shared.u32 [S+512], 1;", "ld.acquire.cta.shared.u32 %r21, [S+512];");
    let atomic = ("atom.shared.exch.b32 %r25, [S+512], 1;", "atom.shared.or.b32 %r21, [S+512], 0;");
    check(&[
        ("both fences", flag(fence, set, wait, fence), ""),
        ("fence.acq_rel", flag("fence.acq_rel.cta;", set, wait, "fence.acq_rel.cta;"), ""),
        ("no fence", flag("", set, wait, ""), RACE),
        ("none before the flag", flag("", set, wait, fence), RACE),
        ("none after it", flag(fence, set, wait, ""), RACE),
        ("fences of proxies are others", flag("fence.proxy.async;", set, wait, "fence.proxy.async;"), RACE),
        ("relaxed, both fences", flag(fence, relaxed.0, relaxed.1, fence), ""),
        ("relaxed, no fence", flag("", relaxed.0, relaxed.1, ""), RACE),
        ("release and acquire", flag("", strict.0, strict.1, ""), ""),
        ("release and relaxed", flag("", strict.0, relaxed.1, ""), RACE),
        ("release, relaxed and a fence", flag("", strict.0, relaxed.1, fence), ""),
        ("relaxed and acquire", flag("", relaxed.0, strict.1, ""), RACE),
        ("a fence, relaxed and acquire", flag(fence, relaxed.0, strict.1, ""), ""),
        ("an atomic, both fences", flag(fence, atomic.0, atomic.1, fence), ""),
        ("an atomic, no fence", flag("", atomic.0, atomic.1, ""), RACE),
        (
            "an atomic that releases, one that acquires",
            flag(
                "",
                "atom.release.cta.shared.exch.b32 %r25, [S+512], 1;",
                "atom.acquire.cta.shared.or.b32 %r21, [S+512], 0;",
                "",
            ),
            "",
        ),
        ("an atomic and a volatile load", flag(fence, atomic.0, wait, fence), ""),
        (
            "data that is volatile, too",
            flag(fence, set, wait, fence)
                .replace("ld.shared", "ld.volatile.shared")
                .replace("st.shared", "st.volatile.shared"),
            "",
        ),
        (
            "data that is volatile, and no fence",
            flag("", set, wait, "")
                .replace("ld.shared", "ld.volatile.shared")
                .replace("st.shared", "st.volatile.shared"),
            RACE,
        ),
    ]);
}

#[test]
fn polling_is_no_race() {
    check(&[
        // Warps that are done early say so; the others look now and then.
        ("an early exit", "@%p1 st.volatile.shared.u32 [S+512], 1;\nmov.u32 %r22, 50;\nW: ld.volatile.shared.u32 %r21, [S+512]; setp.ne.u32 %p5, %r21, 0; @%p5 bra E;\nsub.u32 %r22, %r22, 1; setp.ne.u32 %p6, %r22, 0; @%p6 bra W;\nE: st.global.u32 [%rd3], %r1;".to_string(), ""),
        ("an early exit by a vote", "@%p1 st.volatile.shared.u32 [S+512], 1;\nmov.u32 %r22, 50;\nW: ld.volatile.shared.u32 %r21, [S+512]; setp.ne.u32 %p5, %r21, 0; vote.sync.any.pred %p7, %p5, -1; @%p7 bra E;\nsub.u32 %r22, %r22, 1; setp.ne.u32 %p6, %r22, 0; @%p6 bra W;\nE: st.global.u32 [%rd3], %r1;".to_string(), ""),
        ("a look, once", "@%p1 st.volatile.shared.u32 [S+512], 1;\nld.volatile.shared.u32 %r21, [S+512]; setp.ne.u32 %p5, %r21, 0; @%p5 bra E;\nst.global.u32 [%rd3], %r1;\nE:".to_string(), ""),
        ("a look, once, by ret", "@%p1 st.volatile.shared.u32 [S+512], 1;\nld.volatile.shared.u32 %r21, [S+512]; setp.ne.u32 %p5, %r21, 0; @%p5 ret;\nst.global.u32 [%rd3], %r1;".to_string(), ""),
        ("a look, once, that is kept", "@%p1 st.volatile.shared.u32 [S+512], 1;\nld.volatile.shared.u32 %r21, [S+512]; setp.ne.u32 %p5, %r21, 0; selp.u32 %r21, 1, 0, %p5;\nst.global.u32 [%rd3], %r21;".to_string(), "race"),
        (
            // Both set the flag and both wait for it, in turn: warp 1 answers warp 0.
            "a handshake",
            "setp.ne.u32 %p9, %r12, 33; and.b32 %r26, %r1, 31; setp.eq.u32 %p9, %r26, 0; @!%p9 bra E;\n@%p2 bra A;\n\
             W: ld.volatile.shared.u32 %r21, [S+512]; setp.ne.u32 %p5, %r21, 1; @%p5 bra W; membar.cta;\n\
             ld.shared.u32 %r20, [S+516]; add.u32 %r20, %r20, 1; st.shared.u32 [S+516], %r20; membar.cta; st.volatile.shared.u32 [S+512], 2;\n\
             V: ld.volatile.shared.u32 %r21, [S+512]; setp.ne.u32 %p5, %r21, 3; @%p5 bra V; bra E;\n\
             A: st.shared.u32 [S+516], 4; membar.cta; st.volatile.shared.u32 [S+512], 1;\n\
             X: ld.volatile.shared.u32 %r21, [S+512]; setp.ne.u32 %p5, %r21, 2; @%p5 bra X; membar.cta;\n\
             ld.shared.u32 %r20, [S+516]; st.global.u32 [%rd3], %r20; st.volatile.shared.u32 [S+512], 3;\nE:"
                .to_string(),
            "",
        ),
        (
            "a lock that is given back by a volatile store",
            "@%p1 st.shared.u32 [S+516], 0; bar.sync 0; and.b32 %r26, %r1, 31; setp.eq.u32 %p9, %r26, 0; @!%p9 bra E;\n\
             W: atom.shared.cas.b32 %r21, [S+512], 0, 1; setp.ne.u32 %p5, %r21, 0; @%p5 bra W; membar.cta;\n\
             ld.shared.u32 %r20, [S+516]; add.u32 %r20, %r20, 1; st.shared.u32 [S+516], %r20;\n\
             membar.cta; st.volatile.shared.u32 [S+512], 0;\nE:"
                .to_string(),
            "",
        ),
        (
            "a lock that no fence goes with",
            "@%p1 st.shared.u32 [S+516], 0; bar.sync 0; and.b32 %r26, %r1, 31; setp.eq.u32 %p9, %r26, 0; @!%p9 bra E;\n\
             W: atom.shared.cas.b32 %r21, [S+512], 0, 1; setp.ne.u32 %p5, %r21, 0; @%p5 bra W;\n\
             ld.shared.u32 %r20, [S+516]; add.u32 %r20, %r20, 1; st.shared.u32 [S+516], %r20;\n\
             st.volatile.shared.u32 [S+512], 0;\nE:"
                .to_string(),
            RACE,
        ),
        (
            // Warps that leave at once; the others go on with barriers and volatile words.
            "warps that exit early",
            "@!%p2 ret; st.volatile.shared.u32 [%r3], %r1; bar.sync 0; ld.volatile.shared.u32 %r20, [%r5]; st.global.u32 [%rd3], %r20;".to_string(),
            "",
        ),
    ]);
}
