//! `cp.async` under every policy: what is waited for is there, what is not may not be.

use crate::machine::{OUT_LANE, Run, Want};
use flashpage_emulator::AsyncPolicy::{self, Eager, Lazy, Random};

const POLICIES: [AsyncPolicy; 6] = [Eager, Lazy, Random(0), Random(1), Random(2), Random(3)];

/// Each lane copies its word of the input to its word of shared memory; `%r2` is its address, `%rd1` the source's.
const COPY: &str = ".shared .align 16 .b8 S[1024];
    mov.u32 %r2, S; shl.b32 %r3, %r60, 4; add.u32 %r2, %r2, %r3; mul.wide.u32 %rd1, %r60, 16; add.u64 %rd1, %rd1, %in;";

fn run(body: &str, policy: AsyncPolicy) -> Run {
    Run::new(&format!("{OUT_LANE}\n{COPY}\n{body}")).input_words(0..256).output(128).policy(policy)
}

#[test]
fn waits_make_policies_equal() {
    let rows: &[(&str, Want)] = &[
        (
            "cp.async.ca.shared.global [%r2], [%rd1], 4; cp.async.commit_group; cp.async.wait_group 0; ld.shared.u32 %r1, [%r2]; st.global.u32 [%rd0], %r1;",
            |l| 4 * l,
        ),
        (
            "cp.async.cg.shared.global.L2::128B [%r2], [%rd1], 16; cp.async.wait_all; ld.shared.u32 %r1, [%r2+12]; st.global.u32 [%rd0], %r1;",
            |l| 4 * l + 3,
        ),
        // Fewer bytes are read than written: the rest is zero, and the source may end there.
        (
            "mov.u32 %r4, 4; cp.async.ca.shared.global [%r2], [%rd1], 8, %r4; cp.async.wait_all; ld.shared.v2.u32 {%r1, %r5}, [%r2]; shl.b32 %r5, %r5, 8; add.u32 %r1, %r1, %r5; st.global.u32 [%rd0], %r1;",
            |l| 4 * l,
        ),
        // Nothing is read: the address does not matter but for its alignment.
        (
            "mov.u64 %rd1, 0; cp.async.cg.shared.global [%r2], [%rd1], 16, 0; cp.async.wait_all; ld.shared.u32 %r1, [%r2+8]; st.global.u32 [%rd0], %r1;",
            |_| 0,
        ),
        (
            "setp.ge.u32 %p1, %r60, 16; cp.async.cg.shared.global [%r2], [%rd1], 16, %p1; cp.async.wait_all; ld.shared.u32 %r1, [%r2+4]; st.global.u32 [%rd0], %r1;",
            |l| if l < 16 { 4 * l + 1 } else { 0 },
        ),
        // Only half of the lanes have a second group; each lane waits for its own.
        (
            "cp.async.ca.shared.global [%r2], [%rd1], 4; cp.async.commit_group; setp.lt.u32 %p1, %r60, 16;
             @%p1 cp.async.ca.shared.global [%r2+4], [%rd1+4], 4; @%p1 cp.async.commit_group;
             @%p1 cp.async.wait_group 1; @!%p1 cp.async.wait_group 0; ld.shared.u32 %r1, [%r2]; st.global.u32 [%rd0], %r1;",
            |l| 4 * l,
        ),
        // Waiting for all but the newest group leaves that one alone.
        (
            "cp.async.ca.shared.global [%r2], [%rd1], 4; cp.async.commit_group; cp.async.ca.shared.global [%r2+4], [%rd1+8], 4; cp.async.commit_group;
             cp.async.wait_group 1; ld.shared.u32 %r1, [%r2]; cp.async.wait_group 0; ld.shared.u32 %r4, [%r2+4]; add.u32 %r1, %r1, %r4; st.global.u32 [%rd0], %r1;",
            |l| 8 * l + 2,
        ),
    ];
    for (body, want) in rows {
        for policy in POLICIES {
            let want: Vec<u32> = (0..32).map(want).collect();
            assert_eq!(run(body, policy).words(), want, "{policy:?} {body}");
        }
    }
}

const UNWAITED: &str = "st.shared.u32 [%r2], 1000; cp.async.ca.shared.global [%r2], [%rd1], 4; cp.async.commit_group; ld.shared.u32 %r1, [%r2]; cp.async.wait_all; st.global.u32 [%rd0], %r1;";

#[test]
fn a_missing_wait_shows() {
    let new: Vec<u32> = (0..32).map(|l| 4 * l).collect();
    assert_eq!(run(UNWAITED, Eager).unchecked().words(), new);
    assert_eq!(run(UNWAITED, Lazy).unchecked().words(), vec![1000; 32]);
    let seen: Vec<Vec<u32>> = (0..16).map(|seed| run(UNWAITED, Random(seed)).unchecked().words()).collect();
    assert!(seen.contains(&new) && seen.contains(&vec![1000; 32]), "both happen with some seed");
    // A group that was not committed is not waited for either.
    let uncommitted = "cp.async.ca.shared.global [%r2], [%rd1], 4; cp.async.wait_group 0; ld.shared.u32 %r1, [%r2]; st.global.u32 [%rd0], %r1;";
    assert_eq!(run(uncommitted, Lazy).unchecked().words(), vec![u32::MAX; 32]);
    // The sanitizer finds both, whenever the copy really lands.
    for policy in POLICIES {
        for body in [UNWAITED, uncommitted] {
            let fault = run(body, policy).fault().to_string();
            let line = crate::machine::BODY_LINE + 3;
            let want = format!(
                "read of shared memory at 0x0, which a cp.async may still write: nothing waited for it\n  \
                 at line {line}: ld.shared.u32 %r1, [%r2]\n  block (0, 0, 0), warp 0, lane 0, address 0x0\n  \
                 and line {line}: cp.async.ca.shared.global [%r2], [%rd1], 4\n  block (0, 0, 0), warp 0, lane 0"
            );
            assert_eq!(fault, want);
        }
    }
}

/// The source is read when the copy lands, not when it is issued.
#[test]
fn sources_are_read_late() {
    let body = "cp.async.ca.shared.global [%r2], [%rd1], 4; cp.async.commit_group; st.global.u32 [%rd1], 77; cp.async.wait_group 0; ld.shared.u32 %r1, [%r2]; st.global.u32 [%rd0], %r1;";
    assert_eq!(run(body, Eager).words()[1], 4);
    assert_eq!(run(body, Lazy).words()[1], 77);
}

#[test]
fn addresses_are_checked_at_issue() {
    for policy in POLICIES {
        let body = "add.u64 %rd1, %in, 1020; cp.async.cg.shared.global [%r2], [%rd1+4], 16;";
        let fault = run(body, policy).fault();
        assert!(fault.to_string().contains("read of 16 bytes at 0x10000004"), "{fault}");
        let body = "cp.async.ca.shared.global [%r2+1020], [%rd1], 4;";
        let fault = run(body, policy).fault();
        assert!(
            fault.to_string().starts_with(
                "write of 4 bytes at 0x40c is past the end of the block's 1024 bytes of shared memory"
            ),
            "{fault}"
        );
        assert_eq!(fault.site.unwrap().lane, Some(1));
    }
}
