//! `wgmma` from text: one product from shared memory and registers under every policy, and what it objects to.

use crate::machine::Run;
use flashpage_emulator::{AsyncPolicy, WarpOrder};

/// A is 64 rows of 16 halves, `row - 4 depth`, in shared memory from 0; B 8 columns, `column + depth`, from 4096; both in
/// 8 x 16-byte cores, those of a column of cores 1024 (A) and 128 (B) bytes after each other. D starts from 100.
const MATRICES: &str = "
    .shared .align 128 .b8 all[8192];
    .reg .b32 %d<4>; .reg .b32 %w<8>; .reg .b64 %a, %b;
    mov.u32 %r0, %tid.x; mov.u32 %r1, 0;
    fill: shr.u32 %r2, %r0, 1; and.b32 %r3, %r0, 1; shl.b32 %r3, %r3, 3; add.u32 %r3, %r3, %r1;
    shl.b32 %r4, %r3, 2; sub.u32 %r4, %r2, %r4; cvt.rn.f16.s32 %h0, %r4;
    shr.u32 %r5, %r3, 3; shl.b32 %r5, %r5, 10; shl.b32 %r6, %r2, 4; add.u32 %r5, %r5, %r6;
    shl.b32 %r6, %r1, 1; add.u32 %r5, %r5, %r6; mov.u32 %r7, all; add.u32 %r5, %r5, %r7; st.shared.b16 [%r5], %h0;
    setp.lt.u32 %p0, %r0, 16; add.u32 %r4, %r2, %r3; cvt.rn.f16.s32 %h0, %r4;
    shr.u32 %r5, %r3, 3; shl.b32 %r5, %r5, 7; shl.b32 %r6, %r2, 4; add.u32 %r5, %r5, %r6;
    shl.b32 %r6, %r1, 1; add.u32 %r5, %r5, %r6; add.u32 %r5, %r5, %r7; @%p0 st.shared.b16 [%r5+4096], %h0;
    add.u32 %r1, %r1, 1; setp.lt.u32 %p0, %r1, 8; @%p0 bra fill;
    mov.b64 %a, 0x0000000800400000; mov.b64 %b, 0x0000000800080100;
    mov.f32 %d0, 0f42C80000; mov.b32 %d1, %d0; mov.b32 %d2, %d0; mov.b32 %d3, %d0;";

const FENCE: &str = "fence.proxy.async.shared::cta; bar.sync 0; wgmma.fence.sync.aligned;";
const PRODUCT: &str =
    "wgmma.mma_async.sync.aligned.m64n8k16.f32.f16.f16 {%d0, %d1, %d2, %d3}, %a, %b, %p1, 1, 1, 0, 0;";
const WAIT: &str = "wgmma.commit_group.sync.aligned; wgmma.wait_group.sync.aligned 0;";

/// Thread `t` stores its four registers at `16 t`.
const STORE: &str =
    "mul.wide.u32 %rd0, %r0, 16; add.u64 %rd0, %rd0, %out; st.global.v4.u32 [%rd0], {%d0, %d1, %d2, %d3};";

fn body(before: &str, product: &str) -> String {
    format!("{MATRICES}\nsetp.eq.u32 %p1, 0, 0;\n{before}\n{product}\n{WAIT}\n{STORE}")
}

fn run(body: &str, policy: AsyncPolicy) -> Run {
    let mut run = Run::new(body).block(128).output(2048).policy(policy);
    run.text = run.text.replace(".version 8.0\n.target sm_80", ".version 8.6\n.target sm_90a");
    run
}

fn check(body: &str, start: f32, sign: f32) {
    for policy in [AsyncPolicy::Eager, AsyncPolicy::Lazy, AsyncPolicy::Random(5)] {
        for (at, bits) in run(body, policy).words().into_iter().enumerate() {
            let (thread, r) = (at / 4, at % 4);
            let (warp, lane) = (thread / 32, thread % 32);
            let (row, column) = (16 * warp + lane / 4 + 8 * (r / 2), 2 * (lane % 4) + r % 2);
            let sum: f32 = (0..16).map(|k| (row as f32 - 4.0 * k as f32) * (column + k) as f32).sum();
            let want = start + sign * sum;
            assert_eq!(f32::from_bits(bits), want, "{policy:?}: row {row}, column {column}\n{body}");
        }
    }
}

#[test]
fn products() {
    check(&body(FENCE, PRODUCT), 100.0, 1.0);
    check(&body(FENCE, &PRODUCT.replace("%p1, 1,", "%p1, -1,")), 100.0, -1.0);
    check(&body(&format!("{FENCE} setp.ne.u32 %p1, 0, 0;"), PRODUCT), 0.0, 1.0);
    // A from registers, as `mma.sync` has it.
    let load = |r: usize| {
        let offset = 128 * (r % 2) + 1024 * (r / 2);
        format!("ld.shared.u32 %w{r}, [%r9+{offset}];")
    };
    let fragment = format!(
        "{FENCE} bar.sync 0; shr.u32 %r8, %r0, 5; shl.b32 %r8, %r8, 8; and.b32 %r9, %r0, 31; shl.b32 %r9, %r9, 2;\n\
         add.u32 %r9, %r9, %r8; {}{}{}{} wgmma.fence.sync.aligned;",
        load(0),
        load(1),
        load(2),
        load(3)
    );
    let product = PRODUCT.replace("%a, %b, %p1, 1, 1, 0, 0;", "{%w0, %w1, %w2, %w3}, %b, %p1, 1, 1, 0;");
    check(&body(&fragment, &product), 100.0, 1.0);
}

/// A product is the warpgroup's: when one warp's wait is over, so are the parts of the other three, and what they read
/// may be written. Kernels let one thread of a warpgroup release a stage on the strength of it.
#[test]
fn a_wait_is_for_the_whole_warpgroup() {
    let overwrite = "setp.eq.u32 %p3, %r0, 0; @%p3 st.shared.v4.u32 [%r7+4096], {%r0, %r0, %r0, %r0};";
    let text = body(FENCE, PRODUCT).replace(WAIT, &format!("{WAIT} {overwrite}"));
    assert!(text.contains(overwrite));
    check(&text, 100.0, 1.0);
    let first = run(&text, AsyncPolicy::Eager).words();
    for seed in 0..8 {
        let mut run = run(&text, AsyncPolicy::Random(seed));
        run.options.warp_order = WarpOrder::Random(seed);
        assert_eq!(run.words(), first, "seed {seed}");
    }
}

/// Rows of A and columns of B that nobody wrote, as past the end of a sequence, spoil their rows and columns of D and
/// nothing else: what is selected away is silent, and what is stored is named with the product that it came of.
#[test]
fn ragged_tiles() {
    // Where the filling stops, and which threads may store what.
    let rows = "setp.lt.u32 %p0, %r2, 40; @%p0 st.shared.b16 [%r5], %h0;";
    let columns = "setp.lt.u32 %p0, %r0, 10; add.u32 %r4, %r2, %r3;";
    let ragged_rows = |text: String| text.replace("st.shared.b16 [%r5], %h0;", rows);
    let ragged_columns =
        |text: String| text.replace("setp.lt.u32 %p0, %r0, 16; add.u32 %r4, %r2, %r3;", columns);
    let stored = |guard: &str, what: &str| {
        let store = format!(
            "mul.wide.u32 %rd0, %r0, 16; add.u64 %rd0, %rd0, %out; and.b32 %r20, %r0, 31; and.b32 %r21, %r0, 3; {guard} {what}"
        );
        body(FENCE, PRODUCT).replace(STORE, &store)
    };
    let all = "st.global.v4.u32 [%rd0], {%d0, %d1, %d2, %d3};";
    let pair = "st.global.v2.u32 [%rd0], {%d0, %d1};";
    // Rows 32 to 39 are the first half of warp 2.
    let first_rows = "setp.lt.u32 %p2, %r0, 64; @%p2";
    let three_warps = "setp.lt.u32 %p2, %r0, 96; @%p2";
    // Columns 0 to 4: two pairs, and the first of the next.
    let masked = "setp.lt.u32 %p2, %r21, 3; selp.f32 %d0, %d0, 0f00000000, %p2; setp.lt.u32 %p2, %r21, 2; selp.f32 %d1, %d1, 0f00000000, %p2;";
    let off_by_one =
        "setp.lt.u32 %p2, %r21, 3; selp.f32 %d0, %d0, 0f00000000, %p2; selp.f32 %d1, %d1, 0f00000000, %p2;";
    let table = [
        (ragged_rows(stored(first_rows, all)), None),
        (ragged_rows(stored(three_warps, pair)), None),
        (
            ragged_rows(stored(three_warps, all)),
            Some("register %d2 comes of byte 0 of the 16 at 0x280, which"),
        ),
        (ragged_columns(stored(masked, pair)), None),
        (
            ragged_columns(stored(off_by_one, pair)),
            Some("register %d1 comes of byte 0 of the 16 at 0x1050, which"),
        ),
        (ragged_columns(stored("", all)), Some("comes of byte 0 of the 16 at 0x10")),
    ];
    for (text, want) in table {
        for seed in 0..22 {
            let policy = match seed {
                0 => AsyncPolicy::Eager,
                1 => AsyncPolicy::Lazy,
                seed => AsyncPolicy::Random(seed),
            };
            let mut run = run(&text, policy);
            if seed > 1 {
                run.options.warp_order = WarpOrder::Random(seed);
            }
            match (want, run.bytes()) {
                (None, Ok(_)) => {}
                (Some(want), Err(fault)) => {
                    let (kind, other) = (fault.kind.to_string(), fault.other.expect("the product"));
                    assert!(kind.contains(want) && kind.contains("never written"), "{kind}, not {want}");
                    assert!(other.instruction.starts_with("wgmma.mma_async"), "{other:?}");
                }
                (want, got) => panic!("{:?}, not {want:?}\n{text}", got.map(|_| ())),
            }
        }
    }
}

/// A's 16 core matrices and B's two are counted once, with no pass lost; so is B alone if A is in registers.
#[test]
fn core_matrices_are_counted() {
    let registers = format!(
        "{FENCE} mov.b32 %w0, 0; mov.b32 %w1, 0; mov.b32 %w2, 0; mov.b32 %w3, 0; wgmma.fence.sync.aligned;"
    );
    let from_registers =
        PRODUCT.replace("%a, %b, %p1, 1, 1, 0, 0;", "{%w0, %w1, %w2, %w3}, %b, %p1, 1, 1, 0;");
    for (body, cores) in [(body(FENCE, PRODUCT), 18), (body(&registers, &from_registers), 2)] {
        let mut run = run(&body, AsyncPolicy::Lazy);
        run.options.profile = true;
        let (_, report) = run.bytes().unwrap_or_else(|e| panic!("{e}"));
        let profile = report.profile.expect("it was asked for");
        let line = profile.lines.iter().find(|l| l.instruction.starts_with("wgmma.mma_async")).unwrap();
        assert_eq!((line.wavefronts, line.least_wavefronts, line.shared_bytes), (cores, cores, 128 * cores));
        assert!(profile.totals.wavefronts > cores, "stores are counted, too");
    }
}

#[test]
fn objections() {
    let table = [
        (body(FENCE, PRODUCT).replace("0x0000000800400000", "0x0000000800404000"), "has reserved bits set"),
        (
            body(FENCE, PRODUCT).replace("0x0000000800400000", "0x0002000800400000"),
            "goes with a swizzle only",
        ),
        (body(FENCE, PRODUCT).replace("0x0000000800400000", "0x4002000800400000"), "which is not supported"),
        (
            body(FENCE, PRODUCT).replace("0x0000000800400000", "0x00000008004003f0"),
            "is past the end of the block's 8192 bytes",
        ),
        (body(FENCE, PRODUCT).replace("0x0000000800080100", "0x0000000800080120"), "never written"),
        (body(&format!("{FENCE} setp.lt.u32 %p1, %r0, 7;"), PRODUCT), "different values of scale-d"),
        (
            body(
                &format!("{FENCE} @%p1 mov.u32 %r8, 0;\nsetp.eq.u32 %p2, %r0, 0;"),
                &format!("@%p2 {PRODUCT}"),
            ),
            "lanes",
        ),
        (
            body(FENCE, PRODUCT)
                .replace("mov.f32 %d0, 0f42C80000; mov.b32 %d1, %d0;", "mov.f32 %d0, 0f42C80000;"),
            "register %d1 was never written",
        ),
    ];
    for (body, want) in table {
        let message = run(&body, AsyncPolicy::Lazy).fault().to_string();
        assert!(message.contains(want), "{message}\n  not: {want}");
    }
    // Accumulators that are not added to need not have been written.
    let fresh = body(&format!("{FENCE} setp.ne.u32 %p1, 0, 0;"), PRODUCT);
    check(
        &fresh.replace("mov.f32 %d0, 0f42C80000; mov.b32 %d1, %d0; mov.b32 %d2, %d0; mov.b32 %d3, %d0;", ""),
        0.0,
        1.0,
    );
}
