//! Whether a race shows must not hang on the data: writes of one value by several threads may pass, if that is not asked
//! for strictly; a write over what another thread reads is a race whatever it stores.

use crate::two_warps::{LANES, RACE, check, check_under};
use flashpage_emulator::Sanitize;

#[test]
fn what_is_stored_does_not_decide() {
    let rows = |equal: &'static str, equal_lanes: &'static str| {
        vec![
            ("one constant from every warp", "st.shared.u32 [S], 7;".to_string(), equal),
            ("one constant from every warp, then read", "st.shared.u32 [S], 7; bar.sync 0; ld.shared.u32 %r20, [S]; st.global.u32 [%rd3], %r20;".to_string(), equal),
            ("what is there, from every warp", "st.shared.u32 [S+512], 0;".to_string(), equal),
            ("what is there, as a vector", "mov.u32 %r20, -1; st.shared.v4.u32 [S], {%r20, %r20, %r20, %r20};".to_string(), equal),
            ("one constant from two lanes, in two places", "setp.eq.u32 %p6, %r1, 1; @%p1 st.shared.u32 [S], 7; @%p6 st.shared.u32 [S], 7;".to_string(), equal_lanes),
            ("another value from each warp", "st.shared.u32 [S], %r2;".to_string(), RACE),
            ("what is there, over another warp's read", "@%p2 ld.shared.u32 %r20, [S]; @%p3 st.shared.u32 [S], -1;".to_string(), RACE),
            ("another value, over another warp's read", "@%p2 ld.shared.u32 %r20, [S]; @%p3 st.shared.u32 [S], 5;".to_string(), RACE),
            ("what was read, over another lane's read", "@!%p2 ret; ld.shared.u32 %r20, [S]; setp.eq.u32 %p6, %r1, 1; @%p6 st.shared.u32 [S], %r20;".to_string(), LANES),
            // The last lane to read is the one that writes.
            ("what was read, by the last that did", "@!%p2 ret; ld.shared.u32 %r20, [S]; setp.eq.u32 %p6, %r1, 31; @%p6 st.shared.u32 [S], %r20;".to_string(), LANES),
            ("what was read, by one of two that did apart", "@!%p2 ret; setp.eq.u32 %p6, %r1, 1; @%p1 ld.shared.u32 %r20, [S]; @%p6 ld.shared.u32 %r20, [S]; @%p6 st.shared.u32 [S], %r20;".to_string(), LANES),
            ("what was read, over the next lane's read", "ld.shared.u32 %r20, [%r5]; st.shared.u32 [%r3], %r20;".to_string(), LANES),
            ("the same with the warp's barrier", "ld.shared.u32 %r20, [%r5]; bar.warp.sync -1; st.shared.u32 [%r3], %r20;".to_string(), ""),
            ("what was read, over the other warp's read", "ld.shared.u32 %r20, [%r4]; st.shared.u32 [%r3], %r20;".to_string(), RACE),
            ("the same with a barrier", "ld.shared.u32 %r20, [%r4]; bar.sync 0; st.shared.u32 [%r3], %r20;".to_string(), ""),
            ("one's own word", "ld.shared.u32 %r20, [%r3]; st.shared.u32 [%r3], %r20;".to_string(), ""),
            ("what is there, read by others after", "@%p2 st.shared.u32 [%r3], -1; @!%p2 ld.shared.u32 %r20, [%r4];".to_string(), RACE),
            ("a matrix that is there", "@!%p2 ret; ld.shared.u32 %r20, [%r5]; mad.lo.u32 %r21, %r1, 16, %r10; mov.u32 %r22, -1; and.b32 %r21, %r21, -897; stmatrix.sync.aligned.m8n8.x1.shared.b16 [%r21], {%r22};".to_string(), LANES),
        ]
    };
    check(&rows("", ""));
    check_under(Sanitize::ALL, &rows(RACE, LANES));
}
