//! Divergence and reconvergence, calls, indexed branches, barriers, and how lanes and warps talk.

use crate::machine::{OUT_LANE, Run, Want};

fn check(cases: &[(&str, Want)]) {
    for (body, want) in cases {
        let run = Run::new(&format!("{OUT_LANE}\n{body}\nst.global.u32 [%rd0], %r0;")).output(128);
        assert_eq!(run.words(), (0..32).map(want).collect::<Vec<_>>(), "{body}");
    }
}

#[test]
fn branches() {
    check(&[
        (
            "setp.lt.u32 %p1, %r60, 10; @%p1 bra A; mov.u32 %r0, 1; bra B; A: mov.u32 %r0, 2; B: activemask.b32 %r1; shl.b32 %r1, %r1, 8; or.b32 %r0, %r0, %r1;",
            |lane| if lane < 10 { 0xffff_ff02 } else { 0xffff_ff01 },
        ),
        // A loop that each lane leaves after its own number of turns; lanes meet after it.
        (
            "mov.u32 %r0, 0; mov.u32 %r1, 0; A: add.u32 %r0, %r0, %r1; add.u32 %r1, %r1, 1; setp.le.u32 %p1, %r1, %r60; @%p1 bra A;
             shfl.sync.idx.b32 %r2, %r0, 31, 31, -1; add.u32 %r0, %r0, %r2;",
            |lane| lane * (lane + 1) / 2 + 496,
        ),
        // The join comes before the other arm in the text: lanes wait there for the rest.
        (
            "setp.lt.u32 %p1, %r60, 10; @%p1 bra FAR; mov.u32 %r0, 1; JOIN: vote.sync.ballot.b32 %r1, %p1, -1; add.u32 %r0, %r0, %r1; bra END;
             FAR: mov.u32 %r0, 2; bra.uni JOIN; END: ",
            |lane| 0x3ff + if lane < 10 { 2 } else { 1 },
        ),
        // Some lanes exit; collectives go on with the others.
        (
            "mov.u32 %r0, 7; st.global.u32 [%rd0], %r0; setp.ge.u32 %p1, %r60, 8; @%p1 exit; vote.sync.ballot.b32 %r0, 1, -1;",
            |lane| if lane < 8 { 0xff } else { 7 },
        ),
        (
            "and.b32 %r1, %r60, 3; T: .branchtargets A, B, C, B; brx.idx %r1, T; A: mov.u32 %r0, 10; bra E; B: mov.u32 %r0, 11; bra E; C: mov.u32 %r0, 12; E: ",
            |lane| [10, 11, 12, 11][lane as usize & 3],
        ),
        // Blocks have registers, labels and variables of their own.
        (
            "mov.u32 %r0, 1; { .reg .b32 %r0; mov.u32 %r0, 5; bra L; mov.u32 %r0, 6; L: } { bra L; L: add.u32 %r0, %r0, %r60; }",
            |lane| 1 + lane,
        ),
    ]);
}

#[test]
fn calls() {
    let text = format!(
        ".version 8.0\n.target sm_80\n.address_size 64\n
        .func (.param .b32 r) plus(.param .b32 a, .param .b32 b);
        .func (.param .b32 r) twice(.param .b32 a) {{
            .reg .b32 %r<4>;
            ld.param.u32 %r1, [a];
            {{ .param .b32 x; .param .b32 y; .param .b32 z;
               st.param.b32 [x], %r1; st.param.b32 [y+0], %r1;
               call.uni (z), plus, (x, y);
               ld.param.b32 %r2, [z]; }}
            st.param.b32 [r], %r2;
            ret;
        }}
        .func (.param .b32 r) plus(.param .b32 a, .param .b32 b) {{
            .reg .b32 %r<4>;
            ld.param.u32 %r1, [a]; ld.param.u32 %r2, [b]; add.u32 %r3, %r1, %r2; st.param.b32 [r+0], %r3;
            ret;
        }}
        .func (.reg .u32 %d) old(.reg .u32 %a, .reg .u32 %b) {{ sub.u32 %d, %a, %b; ret; }}
        .func leave(.param .b64 p) {{ .reg .b64 %rd<3>; ld.param.u64 %rd1, [p]; st.global.u32 [%rd1], 99; exit; }}
        .visible .entry k(.param .u64 in, .param .u64 out) {{
            .reg .b32 %r<64>; .reg .b64 %rd<9>; .reg .pred %p<3>; .reg .b64 %out;
            ld.param.u64 %out, [out];
            {OUT_LANE}
            mov.u32 %r0, %r60;
            setp.lt.u32 %p1, %r60, 16;
            {{ .param .b32 x; .param .b32 z;
               st.param.b32 [x], %r0;
               @%p1 call (z), twice, (x);
               @!%p1 call (z), twice, (x);
               ld.param.b32 %r0, [z]; }}
            call (%r0), old, (%r0, 3);
            setp.eq.u32 %p2, %r60, 5;
            {{ .param .b64 q; st.param.b64 [q], %rd0; @%p2 call leave, (q); }}
            st.global.u32 [%rd0], %r0;
            ret;
        }}"
    );
    let mut run = Run::new("").output(128);
    run.text = text;
    let want: Vec<u32> = (0..32u32).map(|l| if l == 5 { 99 } else { (2 * l).wrapping_sub(3) }).collect();
    assert_eq!(run.words(), want);
}

/// Functions in a table and in registers; lanes call different ones at once, or none.
#[test]
fn calls_through_registers() {
    let module = |body: &str| {
        format!(
            ".version 8.0\n.target sm_80\n.address_size 64\n
            .func (.param .b32 r) add(.param .b32 a, .param .b32 b);
            .func (.param .b32 r) sub(.param .b32 a, .param .b32 b);
            .global .u64 TABLE[2] = {{add, sub}};
            .func (.param .b32 r) add(.param .b32 a, .param .b32 b) {{
                .reg .b32 %r<4>; ld.param.u32 %r1, [a]; ld.param.u32 %r2, [b]; add.u32 %r3, %r1, %r2; st.param.b32 [r], %r3; ret;
            }}
            .func (.param .b32 r) sub(.param .b32 a, .param .b32 b) {{
                .reg .b32 %r<4>; ld.param.u32 %r1, [a]; ld.param.u32 %r2, [b]; sub.u32 %r3, %r1, %r2; st.param.b32 [r], %r3; ret;
            }}
            .func (.param .b64 r) widen(.param .b32 a) {{
                .reg .b32 %r<2>; .reg .b64 %rd<2>; ld.param.u32 %r1, [a]; cvt.u64.u32 %rd1, %r1; st.param.b64 [r], %rd1; ret;
            }}
            .func (.reg .u32 %d) neg(.reg .u32 %a) {{ neg.s32 %d, %a; ret; }}
            .func (.param .b32 r) again(.param .b32 a, .param .b32 b) {{
                .reg .b64 %rd<2>; .reg .b32 %r<2>;
                mov.u64 %rd1, again;
                {{ .param .b32 x; .param .b32 y; .param .b32 z; st.param.b32 [x], 1; st.param.b32 [y], 1;
                   P: .callprototype (.param .b32 _) _ (.param .b32 _, .param .b32 _);
                   call (z), %rd1, (x, y), P; ld.param.b32 %r1, [z]; }}
                st.param.b32 [r], %r1; ret;
            }}
            .func (.param .b32 r) there(.param .b32 a) {{
                .reg .b64 %rd<2>; .reg .b32 %r<2>; .reg .pred %p<2>;
                ld.param.u32 %r1, [a]; setp.ge.u32 %p1, %r1, 100; @!%p1 bra END;
                mov.u64 %rd1, back;
                {{ .param .b32 x; .param .b32 z; st.param.b32 [x], 1;
                   P: .callprototype (.param .b32 _) _ (.param .b32 _);
                   call (z), %rd1, (x), P; ld.param.b32 %r1, [z]; }}
                END: st.param.b32 [r], %r1; ret;
            }}
            .func (.param .b32 r) back(.param .b32 a) {{
                .reg .b32 %r<2>;
                {{ .param .b32 x; .param .b32 z; st.param.b32 [x], 1; call (z), there, (x); ld.param.b32 %r1, [z]; }}
                st.param.b32 [r], %r1; ret;
            }}
            .visible .entry k(.param .u64 in, .param .u64 out) {{
                .reg .b32 %r<64>; .reg .b64 %rd<9>; .reg .pred %p<3>; .reg .b64 %out;
                .param .b32 x; .param .b32 y; .param .b32 z; .param .b64 w;
                P: .callprototype (.param .b32 _) _ (.param .b32 _, .param .b32 _);
                W: .callprototype (.param .b64 _) _ (.param .b32 _);
                N: .callprototype (.reg .u32 _) _ (.reg .u32 _);
                ld.param.u64 %out, [out];
                {OUT_LANE}
                mov.u32 %r0, 7; st.param.b32 [x], %r60; st.param.b32 [y], 10;
                {body}
                st.global.u32 [%rd0], %r0;
                ret;
            }}"
        )
    };
    let table = "and.b32 %r1, %r60, 1; mul.wide.u32 %rd1, %r1, 8; mov.u64 %rd2, TABLE; add.u64 %rd1, %rd1, %rd2; ld.global.u64 %rd3, [%rd1];";
    let cases: [(String, Want); 7] = [
        (format!("{table} call (z), %rd3, (x, y), P; ld.param.b32 %r0, [z];"), |l| {
            if l % 2 == 0 { l + 10 } else { l.wrapping_sub(10) }
        }),
        // Lanes that do not call need no function.
        (
            format!(
                "setp.lt.u32 %p1, %r60, 9; @!%p1 bra SKIP; {table} SKIP:
                 @%p1 call (z), %rd3, (x, y), P; @%p1 ld.param.b32 %r0, [z];"
            ),
            |l| {
                if l >= 9 {
                    7
                } else if l % 2 == 0 {
                    l + 10
                } else {
                    l.wrapping_sub(10)
                }
            },
        ),
        ("mov.u64 %rd3, sub; call (z), %rd3, (x, y), P; ld.param.b32 %r0, [z];".into(), |l| {
            l.wrapping_sub(10)
        }),
        // By their shapes, other functions are out of the question.
        ("mov.u64 %rd3, widen; call (w), %rd3, (x), W; ld.param.b32 %r0, [w];".into(), |l| l),
        // A function that may recurse, as far as the text tells, and does not.
        ("call (z), there, (x); ld.param.b32 %r0, [z];".into(), |l| l),
        // And one that does, through a register and back.
        ("st.param.b32 [x], 100; call (z), there, (x); ld.param.b32 %r0, [z];".into(), |_| 1),
        ("mov.u64 %rd3, neg; call (%r0), %rd3, (%r60), N;".into(), |l| l.wrapping_neg()),
    ];
    let mut run = Run::new("").output(128);
    for (body, want) in cases {
        run.text = module(&body);
        assert_eq!(run.words(), (0..32).map(want).collect::<Vec<_>>(), "{body}");
    }
    for (body, want) in [
        ("mov.u64 %rd3, widen; call (z), %rd3, (x, y), P;", "is no function that can be called like this"),
        ("mov.u64 %rd3, TABLE; call (z), %rd3, (x, y), P;", "is no function that can be called like this"),
        ("mov.u64 %rd3, add; add.u64 %rd3, %rd3, 4; call (z), %rd3, (x, y), P;", "is no function"),
        ("call (z), %rd3, (x, y), P;", "register %rd3 was never written"),
        ("mov.u64 %rd3, add; ld.global.u64 %rd3, [%rd3];", "read of 8 bytes"),
        // A function that calls itself for ever.
        ("mov.u64 %rd3, again; call (z), %rd3, (x, y), P;", "stack overflow"),
    ] {
        run.text = module(body);
        let fault = run.fault().to_string();
        assert!(fault.contains(want), "{body}: {fault}");
    }
}

#[test]
fn shuffles_and_votes() {
    check(&[
        ("shfl.sync.bfly.b32 %r0, %r60, 4, 31, -1;", |l| l ^ 4),
        ("shfl.sync.up.b32 %r0, %r60, 2, 0, -1;", |l| if l < 2 { l } else { l - 2 }),
        ("shfl.sync.down.b32 %r0, %r60, 3, 31, -1;", |l| if l > 28 { l } else { l + 3 }),
        // Segments of eight lanes: the segment mask is in bits 8 to 12.
        (
            "shfl.sync.down.b32 %r0|%p1, %r60, 3, 0x181f, -1; selp.b32 %r1, 100, 0, %p1; add.u32 %r0, %r0, %r1;",
            |l| {
                if l % 8 + 3 < 8 { l + 103 } else { l }
            },
        ),
        ("shfl.sync.idx.b32 %r0, %r60, 1, 0x181f, -1;", |l| l / 8 * 8 + 1),
        ("sub.u32 %r1, 31, %r60; shfl.sync.idx.b32 %r0, %r60, %r1, 31, -1;", |l| 31 - l),
        ("setp.gt.u32 %p1, %r60, 28; vote.sync.ballot.b32 %r0, %p1, -1;", |_| 0xe000_0000),
        ("setp.gt.u32 %p1, %r60, 28; vote.sync.any.pred %p2, %p1, -1; selp.u32 %r0, 1, 0, %p2;", |_| 1),
        ("setp.gt.u32 %p1, %r60, 28; vote.sync.all.pred %p2, !%p1, -1; selp.u32 %r0, 1, 0, %p2;", |_| 0),
        ("setp.lt.u32 %p1, %r60, 99; vote.sync.uni.pred %p2, %p1, -1; selp.u32 %r0, 1, 0, %p2;", |_| 1),
        ("and.b32 %r1, %r60, 3; match.any.sync.b32 %r0, %r1, -1;", |l| 0x1111_1111 << (l & 3)),
        ("match.all.sync.b32 %r0|%p1, 7, -1; selp.b32 %r0, %r0, 0, %p1;", |_| 0xffff_ffff),
        ("redux.sync.add.u32 %r0, %r60, -1;", |_| 496),
        ("sub.s32 %r1, %r60, 9; redux.sync.min.s32 %r0, %r1, -1;", |_| -9i32 as u32),
        ("setp.lt.u32 %p1, %r60, 4; mov.u32 %r0, 0; @%p1 redux.sync.max.u32 %r0, %r60, 15;", |l| {
            if l < 4 { 3 } else { 0 }
        }),
        ("elect.sync %r1|%p1, -1; selp.u32 %r0, 5, %r1, %p1;", |l| if l == 0 { 5 } else { 0 }),
        ("mov.u32 %r0, %lanemask_lt;", |l| (1u32 << l) - 1),
        ("bar.warp.sync -1; mov.u32 %r0, %laneid;", |l| l),
    ]);
}

/// Every thread of four warps writes its word; after the barrier it reads that of another warp.
#[test]
fn barriers_between_warps() {
    let body = format!(
        ".shared .align 4 .b32 S[128];
         {OUT_LANE}
         shl.b32 %r1, %r60, 2; mov.u32 %r2, S; add.u32 %r1, %r1, %r2;
         st.shared.u32 [%r1], %r60;
         bar.sync 0;
         xor.b32 %r3, %r60, 96; shl.b32 %r3, %r3, 2; add.u32 %r3, %r3, %r2;
         ld.shared.u32 %r4, [%r3];
         st.global.u32 [%rd0], %r4;"
    );
    let want: Vec<u32> = (0..128).map(|t| t ^ 96).collect();
    assert_eq!(Run::new(&body).block(128).output(512).words(), want);
}

/// Two warps hand a value to two others through a named barrier with a count; the first two only arrive.
#[test]
fn named_barriers() {
    let body = format!(
        ".shared .align 4 .b32 S[64];
         {OUT_LANE}
         mov.u32 %r2, S; and.b32 %r3, %r60, 63; shl.b32 %r3, %r3, 2; add.u32 %r2, %r2, %r3;
         setp.ge.u32 %p1, %r60, 64; @%p1 bra MAKE;
         bar.sync 3, 128; ld.shared.u32 %r4, [%r2]; st.global.u32 [%rd0], %r4; ret;
         MAKE: st.shared.u32 [%r2], %r60; bar.arrive 3, 128; st.global.u32 [%rd0], 0;"
    );
    let want: Vec<u32> = (0..128).map(|t| if t < 64 { t + 64 } else { 0 }).collect();
    assert_eq!(Run::new(&body).block(128).output(512).words(), want);
}

#[test]
fn reductions_at_barriers() {
    let body = format!(
        "{OUT_LANE} setp.lt.u32 %p1, %r60, 40; setp.lt.u32 %p2, %r60, 64;
         bar.red.popc.u32 %r1, 0, %p1; bar.red.and.pred %p3, 0, %p1; bar.red.or.pred %p4, 1, %p1; barrier.cta.red.and.aligned.pred %p5, 0, %p2;
         selp.u32 %r2, 100, 0, %p3; selp.u32 %r3, 1000, 0, %p4; selp.u32 %r4, 10000, 0, %p5; add.u32 %r1, %r1, %r2; add.u32 %r1, %r1, %r3; add.u32 %r1, %r1, %r4;
         st.global.u32 [%rd0], %r1;"
    );
    assert_eq!(Run::new(&body).block(64).output(256).words(), vec![11040; 64]);
}

/// A warp that has exited is not waited for.
#[test]
fn exited_warps_leave_barriers() {
    let body = format!(
        "{OUT_LANE} st.global.u32 [%rd0], 1; setp.lt.u32 %p1, %r60, 32; @%p1 exit; bar.sync 0; st.global.u32 [%rd0], 2;"
    );
    let want: Vec<u32> = (0..96).map(|t| if t < 32 { 1 } else { 2 }).collect();
    assert_eq!(Run::new(&body).block(96).output(384).words(), want);
}

/// A block need not be a multiple of 32 threads, nor one-dimensional.
#[test]
fn odd_blocks() {
    let body = "mov.u32 %r1, %tid.x; mov.u32 %r2, %tid.y; mov.u32 %r3, %tid.z; mov.u32 %r4, %ntid.x; mov.u32 %r5, %ntid.y;
        mad.lo.u32 %r6, %r3, %r5, %r2; mad.lo.u32 %r6, %r6, %r4, %r1; mul.wide.u32 %rd1, %r6, 4; add.u64 %rd1, %rd1, %out;
        bar.sync 0; shl.b32 %r2, %r2, 8; shl.b32 %r3, %r3, 16; or.b32 %r1, %r1, %r2; or.b32 %r1, %r1, %r3; st.global.u32 [%rd1], %r1;";
    let mut run = Run::new(body).output(4 * 7 * 3 * 2);
    run.block = [7, 3, 2];
    let want: Vec<u32> = (0..42).map(|t| (t % 7) | ((t / 7 % 3) << 8) | ((t / 21) << 16)).collect();
    assert_eq!(run.words(), want);
}
