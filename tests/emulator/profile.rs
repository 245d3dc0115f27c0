//! What a launch is said to have done: by line, in sum, and beside a target's limits.

use crate::machine::{OUT_LANE, Run};
use flashpage_emulator::{Options, Roofline, Target};

/// The transpose of a 32 x 32 tile through shared memory whose rows are so many words long.
fn transpose(row_words: u32) -> Run {
    let bytes = 4 * row_words;
    let mut run = Run::new(&format!(
        ".shared .align 16 .b8 S[{}];\n\
         mov.u32 %r1, %tid.x; mul.wide.u32 %rd1, %r1, 4; add.u64 %rd2, %in, %rd1; add.u64 %rd3, %out, %rd1;\n\
         mov.u32 %r2, S; mad.lo.u32 %r3, %r1, 4, %r2; mad.lo.u32 %r4, %r1, {bytes}, %r2; mov.u32 %r5, 0;\n\
         ROWS:\n\
         ld.global.u32 %r6, [%rd2];\n\
         st.shared.u32 [%r3], %r6;\n\
         add.u64 %rd2, %rd2, 128; add.u32 %r3, %r3, {bytes}; add.u32 %r5, %r5, 1; setp.lt.u32 %p1, %r5, 32;\n\
         @%p1 bra ROWS;\n\
         bar.sync 0; mov.u32 %r5, 0;\n\
         COLUMNS:\n\
         ld.shared.u32 %r6, [%r4];\n\
         st.global.u32 [%rd3], %r6;\n\
         add.u32 %r4, %r4, 4; add.u64 %rd3, %rd3, 128; add.u32 %r5, %r5, 1; setp.lt.u32 %p1, %r5, 32;\n\
         @%p1 bra COLUMNS;",
        32 * bytes
    ));
    run.input = (0..1024u32).flat_map(u32::to_le_bytes).collect();
    run.options = Options { profile: true, ..run.options };
    run
}

#[test]
fn a_transpose_with_and_without_padding() {
    for (row_words, passes) in [(32, 32 + 32 * 32), (33, 64)] {
        let (bytes, report) = transpose(row_words).bytes().unwrap();
        assert_eq!(bytes[4..8], 32u32.to_le_bytes(), "the tile is transposed");
        let profile = report.profile.as_ref().expect("it was asked for");
        let totals = &profile.totals;
        assert_eq!((totals.wavefronts, totals.least_wavefronts), (passes, 64), "rows of {row_words} words");
        assert_eq!((totals.shared_bytes, totals.global_bytes), (8192, 8192));
        assert_eq!((totals.global_sectors, totals.distinct_sectors), (256, 256));
        assert_eq!(totals.barriers, 1);
        let conflicts = profile.bank_conflicts();
        assert_eq!(conflicts.len(), usize::from(row_words == 32));
        if let Some((line, lost)) = conflicts.first() {
            assert_eq!((line.instruction.as_str(), *lost), ("ld.shared.u32 %r6, [%r4]", 32 * 31));
        }
        let loads = profile.lines.iter().find(|l| l.instruction.starts_with("ld.global")).unwrap();
        assert_eq!((loads.warps, loads.lanes, loads.global_sectors), (32, 1024, 128));
        let roofline = Roofline::new(totals, Target::of("sm_90a"));
        let longest = roofline.limits.first().unwrap();
        let memory: f64 = 256.0 * 32.0 / 4.8e12;
        let shared = passes as f64 / (132.0 * 1.83e9);
        assert!((longest.seconds - memory.max(shared)).abs() < 1e-15, "{roofline}");
    }
}

/// Without being asked nothing is counted, and what is printed names what costs.
#[test]
fn what_is_printed() {
    let (_, quiet) = Run { options: Options::default(), ..transpose(32) }.bytes().unwrap();
    assert!(quiet.profile.is_none());
    let (_, report) = transpose(32).bytes().unwrap();
    let text = report.profile.unwrap().to_string();
    for part in ["8192 bytes asked for in 1056 passes, 64 at least", "992  ld.shared.u32 %r6, [%r4]", "ld "] {
        assert!(text.contains(part), "{text}");
    }
}

/// What moves matrices, sixteen bytes at once, or shared memory of the cluster is counted too.
#[test]
fn every_access_is_counted() {
    let fragment = "{%r10, %r11, %r12, %r13, %r14, %r15, %r16, %r17}";
    let body = format!(
        ".shared .align 128 .b8 S[1024]; .shared .align 8 .b64 bar; .reg .b32 %r1<8>;\n\
         mov.u32 %r1, %tid.x; mov.u32 %r2, 16; mov.u32 %r3, S; mov.u32 %r4, bar; setp.eq.u32 %p1, %r1, 0;\n\
         mul.wide.u32 %rd1, %r1, 16; add.u64 %rd1, %rd1, %in; shl.b32 %r5, %r1, 2; add.u32 %r5, %r5, %r3;\n\
         wmma.load.a.sync.aligned.row.m16n16k16.global.f16 {fragment}, [%in], %r2;\n\
         wmma.load.b.sync.aligned.row.m16n16k16.global.f16 {fragment}, [%in], %r2;\n\
         wmma.load.c.sync.aligned.row.m16n16k16.global.f32 {fragment}, [%in], %r2;\n\
         wmma.store.d.sync.aligned.row.m16n16k16.shared.f32 [%r3], {fragment}, %r2;\n\
         mov.b128 %q1, {{%rd1, %rd1}};\n\
         atom.relaxed.gpu.global.exch.b128 %q0, [%rd1], %q1;\n\
         @%p1 mbarrier.init.shared.b64 [%r4], 1; bar.sync 0;\n\
         @%p1 mbarrier.arrive.expect_tx.shared.b64 _, [%r4], 128;\n\
         st.async.shared::cluster.mbarrier::complete_tx::bytes.b32 [%r5], %r1, [%r4];\n\
         WAIT: mbarrier.try_wait.parity.shared.b64 %p2, [%r4], 0; @!%p2 bra WAIT;\n\
         ld.shared.u32 %r6, [%r5]; {OUT_LANE} st.global.u32 [%rd0], %r6;\n\
         fence.proxy.async; bar.warp.sync -1;\n\
         @%p1 cp.async.bulk.global.shared::cta.bulk_group [%in], [%r3], 272;\n\
         @%p1 cp.async.bulk.commit_group; @%p1 cp.async.bulk.wait_group 0;"
    );
    let mut run = Run::new(&body).output(128).input_words(0..256);
    run.text = run.text.replace(".version 8.0\n.target sm_80", ".version 8.6\n.target sm_90a");
    run.options = Options { profile: true, ..run.options };
    let (bytes, report) = run.bytes().unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(bytes[4..8], 1u32.to_le_bytes());
    let profile = report.profile.unwrap();
    // Bytes and sectors of global memory, bytes and passes of shared memory. A fragment of halves holds its matrix
    // twice; across the rows, a half goes alone.
    let rows: &[(&str, [u64; 4])] = &[
        ("wmma.load.a", [1024, 32, 0, 0]),
        ("wmma.load.b", [1024, 8 * 2 * 8, 0, 0]),
        ("wmma.load.c", [1024, 32, 0, 0]),
        ("wmma.store.d", [0, 0, 1024, 8]),
        ("atom.relaxed", [512, 16, 0, 0]),
        ("st.async", [0, 0, 128, 1]),
        ("@%p1 cp.async.bulk.global", [272, 9, 272, 3]),
    ];
    for (start, want) in rows {
        let line = profile.lines.iter().find(|l| l.instruction.starts_with(start)).unwrap();
        let got = [line.global_bytes, line.global_sectors, line.shared_bytes, line.wavefronts];
        assert_eq!(got, *want, "{}", line.instruction);
    }
}
