//! Where an operand of a `wgmma` may begin in a swizzled pattern, from text: an operand in a later row than a pattern's first
//! is not the matrix that it seems, and a base offset of 0 says that it is in the first.

use crate::machine::Run;
use flashpage_emulator::{AsyncPolicy, WarpOrder};

/// Zeros, and a product of 64 rows of A from `%r20` on and 8 columns of B from `%r21` on, both with the depth contiguous and
/// the upper half of their descriptor in `%r22`.
fn text(mode: u64, stride: u64, a: u32, b: u32) -> String {
    let high = (mode << 30) | (stride / 16);
    format!(
        ".reg .f32 %f<4>; .reg .b64 %x, %y; .shared .align 1024 .b8 A[20480];
         mov.u32 %r1, %tid.x; shl.b32 %r2, %r1, 4; mov.u32 %r3, A; add.u32 %r3, %r3, %r2; mov.u32 %r4, 0; mov.u32 %r5, 0;
         L: st.shared.v4.b32 [%r3], {{%r4, %r4, %r4, %r4}}; add.u32 %r3, %r3, 2048; add.u32 %r5, %r5, 1;
         setp.lt.u32 %p1, %r5, 10; @%p1 bra L; fence.proxy.async.shared::cta; bar.sync 0;
         mov.u32 %r20, A; add.u32 %r20, %r20, {a}; shr.u32 %r20, %r20, 4; mov.u32 %r22, {high}; mov.b64 %x, {{%r20, %r22}};
         mov.u32 %r21, A; add.u32 %r21, %r21, {b}; shr.u32 %r21, %r21, 4; mov.b64 %y, {{%r21, %r22}};
         mov.f32 %f0, 0f00000000; mov.f32 %f1, %f0; mov.f32 %f2, %f0; mov.f32 %f3, %f0; wgmma.fence.sync.aligned;
         wgmma.mma_async.sync.aligned.m64n8k16.f32.f16.f16 {{%f0, %f1, %f2, %f3}}, %x, %y, 1, 1, 1, 0, 0;
         wgmma.commit_group.sync.aligned; wgmma.wait_group.sync.aligned 0; st.global.f32 [%out], %f0;"
    )
}

#[test]
fn operands_begin_in_the_first_row() {
    let (wide, middle, narrow) = ((1, 1024), (2, 512), (3, 256));
    let rows = [
        // Steps along the depth within a row, and whole patterns.
        (wide, 0, 16384, ""),
        (wide, 32, 16384, ""),
        (wide, 64, 16384 + 64, ""),
        (wide, 96, 16384, ""),
        (wide, 1024, 16384, ""),
        (wide, 2048 + 32, 16384 + 32, ""),
        (middle, 0, 16384, ""),
        (middle, 32, 16384 + 32, ""),
        (middle, 512, 16384 + 512, ""),
        (narrow, 0, 16384, ""),
        (narrow, 256, 16384 + 256, ""),
        // Rows further on, and rows that end too soon.
        (wide, 128, 16384, "the descriptor of A"),
        (wide, 0, 16384 + 128, "the descriptor of B"),
        (wide, 128 + 32, 16384, "begins 160 bytes into a pattern of 1024"),
        (wide, 512, 16384, "begins 512 bytes into a pattern of 1024"),
        (wide, 896, 16384, "begins 896 bytes into a pattern of 1024"),
        (wide, 0, 16384 + 112, "it would go on in the next row"),
        (middle, 64, 16384, "begins 64 bytes into a pattern of 512"),
        (middle, 256, 16384, "begins 256 bytes into a pattern of 512"),
        (middle, 48, 16384, "it would go on in the next row"),
        (narrow, 32, 16384, "begins 32 bytes into a pattern of 256"),
        (narrow, 128, 16384, "begins 128 bytes into a pattern of 256"),
        (narrow, 16, 16384, "it would go on in the next row"),
        ((1, 512), 0, 16384, "goes on after 512 bytes"),
        ((1, 1152), 0, 16384, "goes on after 1152 bytes"),
        // No swizzle has no pattern.
        ((0, 128), 128, 16384 + 48, ""),
    ];
    for ((mode, stride), a, b, want) in rows {
        for seed in 0..6 {
            let policies = [AsyncPolicy::Eager, AsyncPolicy::Lazy, AsyncPolicy::Random(seed)];
            let mut run = Run::new(&text(mode, stride, a, b)).block(128).policy(policies[seed as usize % 3]);
            run.text = run.text.replace(".version 8.0\n.target sm_80", ".version 8.6\n.target sm_90a");
            run.options.warp_order = if seed < 3 { WarpOrder::InOrder } else { WarpOrder::Random(seed) };
            match run.bytes() {
                Ok(_) => assert_eq!(want, "", "mode {mode}, from {a} and {b}"),
                Err(fault) => {
                    let fault = fault.to_string();
                    assert!(
                        !want.is_empty() && fault.contains(want),
                        "mode {mode}, from {a} and {b}: {fault}"
                    );
                }
            }
        }
    }
}
