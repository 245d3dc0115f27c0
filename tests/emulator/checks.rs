//! Which checks of the sanitizer run, and what becomes of what they find: each has what only it finds, and a launch that
//! keeps going lists one of each kind and place.

use crate::machine::{OUT_LANE, Run};
use flashpage_emulator::{AsyncPolicy, Fault, FaultKind, Report, Sanitize, WarpOrder};

const NEXT_LANE: &str =
    "add.u32 %r5, %r60, 1; and.b32 %r5, %r5, 31; shl.b32 %r5, %r5, 2; mov.u32 %r6, S; add.u32 %r5, %r5, %r6;
    shl.b32 %r7, %r60, 2; add.u32 %r7, %r7, %r6;";

/// One fault for each check.
fn faulty(check: &str) -> String {
    let body = match check {
        "races" => "st.shared.u32 [%r7], %r60; ld.shared.u32 %r1, [%r5];",
        "unwritten" => "ld.global.u32 %r1, [%rd0]; st.global.u32 [%rd0], %r1;",
        "waits" => "cp.async.ca.shared.global [%r7], [%in], 4; ld.shared.u32 %r1, [%r7];",
        "fences" => {
            "st.shared.u32 [%r7], %r60; bar.warp.sync -1; setp.eq.u32 %p1, %r60, 0;
             @%p1 cp.async.bulk.global.shared::cta.bulk_group [%out], [S], 128; cp.async.bulk.commit_group; cp.async.bulk.wait_group 0;"
        }
        _ => panic!("{check}"),
    };
    format!(".shared .align 128 .b8 S[128]; {OUT_LANE} {NEXT_LANE}\n{body}")
}

fn run(body: &str, sanitize: Sanitize, keep_going: bool) -> Result<Report, Fault> {
    let mut run = Run::new(body).input_words(0..64);
    run.text = run.text.replace(".version 8.0\n.target sm_80", ".version 8.6\n.target sm_90a");
    (run.options.sanitize, run.options.keep_going) = (sanitize, keep_going);
    run.options.policy = AsyncPolicy::Lazy;
    run.bytes().map(|(_, report)| report)
}

const CHECKS: [&str; 4] = ["races", "unwritten", "waits", "fences"];

#[test]
fn only_what_is_named_is_looked_for() {
    for fault in CHECKS {
        for check in CHECKS {
            let outcome = run(&faulty(fault), check.parse().unwrap(), false);
            assert_eq!(outcome.is_err(), fault == check, "{fault}, looked for {check}: {:?}", outcome.err());
        }
        // All but that.
        let mut others = Sanitize::USUAL;
        *match fault {
            "races" => &mut others.races,
            "unwritten" => &mut others.unwritten,
            "waits" => &mut others.waits,
            _ => &mut others.fences,
        } = false;
        for keep_going in [false, true] {
            let report = run(&faulty(fault), others, keep_going).unwrap_or_else(|e| panic!("{fault}: {e}"));
            assert_eq!(report.findings, [], "{fault}");
        }
        assert!(run(&faulty(fault), Sanitize::ALL, false).is_err(), "{fault}");
        assert!(run(&faulty(fault), Sanitize::NONE, false).is_ok(), "{fault}");
    }
}

#[test]
fn a_launch_that_keeps_going_lists_everything_once() {
    let kind = |fault: &Fault| match fault.kind {
        FaultKind::Race { .. } | FaultKind::WarpRace { .. } => "races",
        FaultKind::NeverWritten(_) => "unwritten",
        FaultKind::InFlight { .. } => "waits",
        FaultKind::Unfenced { .. } => "fences",
        _ => "other",
    };
    for check in CHECKS {
        let first = run(&faulty(check), Sanitize::USUAL, false).unwrap_err();
        let findings = run(&faulty(check), Sanitize::USUAL, true).unwrap_or_else(|e| panic!("{e}")).findings;
        assert_eq!(findings[0].fault, first, "the first is what would have ended it");
        assert!(findings.iter().all(|finding| kind(&finding.fault) == check), "{check}: {findings:?}");
    }
    // A race and two uses of one load, in a loop, in every one of five blocks.
    let body = format!(
        ".shared .align 128 .b8 S[128]; {OUT_LANE} {NEXT_LANE} mov.u32 %r9, 0;
         L: st.shared.u32 [%r7], %r60;
         ld.shared.u32 %r1, [%r5];
         ld.global.u32 %r2, [%rd0+512]; setp.eq.u32 %p1, %r2, 7;
         @%p1 st.shared.u32 [%r7], 0;
         st.global.u32 [%rd0], %r2;
         add.u32 %r9, %r9, 1; setp.lt.u32 %p2, %r9, 3; @%p2 bra L;"
    );
    for threads in [1, 2] {
        for seed in 0..4 {
            let mut run = Run::new(&body).grid(5);
            run.options.keep_going = true;
            run.options.threads = threads;
            if seed > 0 {
                run.options.warp_order = WarpOrder::Random(seed);
            }
            let findings = run.bytes().unwrap_or_else(|e| panic!("{e}")).1.findings;
            let lines: Vec<(&str, u32, u32)> = findings
                .iter()
                .map(|finding| {
                    let at =
                        |site: &Option<Box<flashpage_emulator::Site>>| site.as_ref().map_or(0, |s| s.line);
                    (kind(&finding.fault), at(&finding.fault.site), at(&finding.fault.other))
                })
                .collect();
            for want in [("races", 11, 10), ("unwritten", 13, 12), ("unwritten", 14, 12)] {
                assert!(lines.contains(&want), "{want:?} is not in {lines:?}");
            }
            let mut once = lines.clone();
            once.sort_unstable();
            once.dedup();
            assert_eq!(once.len(), lines.len(), "{lines:?}");
            for finding in &findings {
                assert_eq!(finding.fault.site.as_ref().unwrap().block, [0, 0, 0], "the first block's");
                assert_eq!(finding.count % 5, 0, "each of five blocks: {finding}");
            }
            let stored = findings.iter().find(|f| f.fault.site.as_ref().unwrap().line == 14).unwrap();
            assert_eq!(stored.count, 5 * 3 * 32, "{stored}");
        }
    }
}

/// What is a fault always ends the launch, with what was found before; of later blocks nothing is told.
#[test]
fn a_fault_has_what_was_found_before() {
    let body = format!(
        "{OUT_LANE} ld.global.u32 %r1, [%rd0]; st.global.u32 [%rd0+128], %r1;
         mov.u32 %r2, %ctaid.x; setp.eq.u32 %p1, %r2, 2;
         @%p1 ld.global.u32 %r3, [%in+4096];"
    );
    for threads in [1, 2, 4] {
        let mut run = Run::new(&body).input_words(0..64).grid(9);
        run.options.keep_going = true;
        run.options.threads = threads;
        let fault = run.fault();
        assert!(matches!(fault.kind, FaultKind::OutOfBounds { .. }), "{fault}");
        assert_eq!(fault.site.as_ref().unwrap().block, [2, 0, 0]);
        let found: Vec<_> =
            fault.findings.iter().map(|f| (f.fault.site.as_ref().unwrap().line, f.count)).collect();
        assert_eq!(found, [(8, 32)]);
        assert_eq!(
            fault.findings[0].fault.site.as_ref().unwrap().instruction,
            "st.global.u32 [%rd0+128], %r1"
        );
    }
}

/// There is a bound to how many are listed.
#[test]
fn a_list_has_an_end() {
    let stores: String = (0..600).map(|i| format!("st.global.u32 [%rd0+{}], %r1;\n", 4 * (i % 8))).collect();
    let mut run = Run::new(&format!("{OUT_LANE} ld.global.u32 %r1, [%rd0];\n{stores}"));
    run.options.keep_going = true;
    let findings = run.bytes().unwrap_or_else(|e| panic!("{e}")).1.findings;
    assert_eq!(findings.len(), 256);
    let lines: Vec<u32> = findings.iter().map(|f| f.fault.site.as_ref().unwrap().line).collect();
    assert_eq!(lines, (9..265).collect::<Vec<_>>());
    assert!(findings[0].to_string().ends_with("\n  32 times"), "{}", findings[0]);
}
