//! Registers around a `wgmma`: silent where the assembler takes them as ordered, named where it adds a fence (C7519) or
//! serialises (C7514), and what is in flight. Every row was given to ptxas 13.0.88 for `sm_90a` on 2026-11-27; the word
//! beside it is what that said, and `exec/in_flight/assembler.rs` has the table of what follows from it.

use crate::machine::Run;
use flashpage_emulator::{AsyncPolicy, WarpOrder};

/// Matrices of zeros, and what a kernel needs to compute with: `%f` and `%g` are accumulators, `%a` a left matrix, `%h`
/// four numbers from memory; `%p` holds, and `%q` does not, which an assembler cannot know.
const BEGIN: &str = "
    .reg .f32 %f<10>, %g<10>, %h<10>; .reg .b32 %a<10>; .reg .b64 %x, %y; .reg .pred %p, %q;
    .shared .align 1024 .b8 A[2048]; .shared .align 1024 .b8 B[1024];
    mov.u32 %r1, %tid.x; shl.b32 %r2, %r1, 4; mov.u32 %r3, A; add.u32 %r3, %r3, %r2; mov.u32 %r4, 0;
    st.shared.v4.b32 [%r3], {%r4, %r4, %r4, %r4};
    mov.u32 %r5, B; shl.b32 %r6, %r1, 3; add.u32 %r5, %r5, %r6; st.shared.v2.u32 [%r5], {%r4, %r4};
    fence.proxy.async.shared::cta; bar.sync 0;
    mov.u32 %r1, A; shr.u32 %r1, %r1, 4; cvt.u64.u32 %x, %r1; or.b64 %x, %x, 68720001024;
    mov.u32 %r1, B; shr.u32 %r1, %r1, 4; cvt.u64.u32 %y, %r1; or.b64 %y, %y, 68720001024;
    ld.global.u32 %r7, [%in]; setp.ne.u32 %p, %r7, 77; setp.eq.u32 %q, %r7, 77; mov.u32 %r8, 3;";

/// Short names for what the rows are made of.
fn spelled(row: &str) -> String {
    let mm = |d: &str, a: &str, scale: &str, last: &str| {
        format!("wgmma.mma_async.sync.aligned.m64n8k16.f32.f16.f16 {d}, {a}, %y, {scale}, 1, 1, {last};")
    };
    let (f, g, a) = ("{%f0, %f1, %f2, %f3}", "{%g0, %g1, %g2, %g3}", "{%a0, %a1, %a2, %a3}");
    let all = |text: &str| -> String { (0..4).map(|i| text.replace('#', &i.to_string())).collect() };
    let words: Vec<String> = row
        .split_whitespace()
        .map(|word| match word {
            "F" => "wgmma.fence.sync.aligned;".to_string(),
            "C" => "wgmma.commit_group.sync.aligned;".to_string(),
            "W" => "wgmma.commit_group.sync.aligned; wgmma.wait_group.sync.aligned 0;".to_string(),
            "W0" => "wgmma.wait_group.sync.aligned 0;".to_string(),
            "W1" => "wgmma.wait_group.sync.aligned 1;".to_string(),
            "MM" => mm(f, "%x", "%p", "0, 0"),
            "MM0" => mm(f, "%x", "0", "0, 0"),
            "MMq" => mm(f, "%x", "%q", "0, 0"),
            "MMs" => format!("mov.b32 %r9, 0; setp.ne.b32 %p9, %r9, 0; {}", mm(f, "%x", "%p9", "0, 0")),
            "MG" => mm(g, "%x", "%p", "0, 0"),
            "MA" => mm(f, a, "%p", "0"),
            "MGA" => mm(g, a, "%p", "0"),
            "IN" => "ld.global.v4.f32 {%f0, %f1, %f2, %f3}, [%in];".to_string(),
            "IG" => "ld.global.v4.f32 {%g0, %g1, %g2, %g3}, [%in+16];".to_string(),
            "IH" => "ld.global.v4.f32 {%h0, %h1, %h2, %h3}, [%in+32];".to_string(),
            "IA" => "ld.global.v4.b32 {%a0, %a1, %a2, %a3}, [%in+48];".to_string(),
            "LS" => "ld.shared.v4.f32 {%f0, %f1, %f2, %f3}, [%r3];".to_string(),
            "LA" => "ld.shared.v4.b32 {%a0, %a1, %a2, %a3}, [%r3];".to_string(),
            "Z" => all("mov.f32 %f#, 0f00000000;"),
            "ZG" => all("mov.f32 %g#, 0f00000000;"),
            "ZC" => "mov.f32 %f0, 0f00000000; mov.f32 %f1, %f0; mov.f32 %f2, %f1; mov.f32 %f3, %f0;".to_string(),
            "ZH" => format!("mov.f32 %h0, 0f00000000; {}", all("mov.f32 %f#, %h0;")),
            "Z1" => "mov.f32 %f1, 0f00000000;".to_string(),
            "ZM" => all("mov.f32 %f#, 0f80000000;"),
            "K1" => all("mov.f32 %f#, 0f3F800000;"),
            "KA" => all("mov.b32 %a#, 15360;"),
            "ZA" => all("mov.b32 %a#, 0;"),
            "GZ" => all("@%p mov.f32 %f#, 0f00000000;"),
            "GZ1" => "@%p mov.f32 %f0, 0f00000000;".to_string(),
            "SEL" => format!("selp.f32 %f0, 0f00000000, 0f3F800000, %q; {}", "mov.f32 %f1, 0f00000000; mov.f32 %f2, %f1; mov.f32 %f3, %f1;"),
            "MVH" => all("mov.f32 %f#, %h#;"),
            "MVG" => all("mov.f32 %g#, %h#;"),
            "MVA" => all("mov.b32 %a#, %h#;"),
            "MV0" => all("mov.f32 %f#, %h0;"),
            "SWAP" => "mov.f32 %f9, %f0; mov.f32 %f0, %f1; mov.f32 %f1, %f9;".to_string(),
            "ADD" => all("add.f32 %f#, %f#, %h#;"),
            "MUL" => all("mul.f32 %f#, %f#, %h0;"),
            "ADDG" => all("add.f32 %g#, %g#, %h#;"),
            "CV" => "cvt.rn.f16x2.f32 %a0, %h0, %h1; cvt.rn.f16x2.f32 %a1, %h1, %h2; cvt.rn.f16x2.f32 %a2, %h2, %h3; cvt.rn.f16x2.f32 %a3, %h3, %h0;".to_string(),
            "CV1" => "cvt.rn.f16x2.f32 %a0, %h0, %h1;".to_string(),
            "RD" => "st.global.f32 [%out+64], %f0;".to_string(),
            "RG" => "st.global.f32 [%out+64], %g0;".to_string(),
            "RH" => "st.global.v4.f32 [%out+80], {%h0, %h1, %h2, %h3};".to_string(),
            "RA" => "st.global.v4.b32 [%out+80], {%a0, %a1, %a2, %a3};".to_string(),
            "CP" => "mov.f32 %h0, %f0;".to_string(),
            "ST" => "st.global.v4.f32 [%out], {%f0, %f1, %f2, %f3};".to_string(),
            "SG" => "st.global.v4.f32 [%out+16], {%g0, %g1, %g2, %g3};".to_string(),
            "L:" => "L:".to_string(),
            "LOOP" => "sub.u32 %r8, %r8, 1; setp.ne.u32 %p8, %r8, 0; @%p8 bra L;".to_string(),
            "IF" => "@%q bra X;".to_string(),
            "ELSE" => "bra Y; X:".to_string(),
            "END" => "Y:".to_string(),
            word => panic!("{word} in {row}"),
        })
        .collect();
    format!("{BEGIN}\n{}", words.join("\n"))
}

const FENCE: &str = "a `wgmma.fence` has to come between";
const SERIAL: &str = "the assembler serialises this wgmma";
const FLIGHT: &str = "belongs to a wgmma that may still be running";

#[test]
fn what_the_assembler_takes_and_what_it_does_not() {
    // What is written, what is to be said of it, and what the assembler said.
    let rows = [
        ("IN F MM W ST", "", "nothing"),
        ("IN MM W ST", FENCE, "C7519"),
        ("Z MM W ST", FENCE, "C7519"),
        ("MM0 W ST", FENCE, "C7519"),
        // Zeros are part of the instruction.
        ("Z F MM W ST", "", "nothing"),
        ("F Z MM W ST", "", "nothing"),
        ("F ZC MM W ST", "", "nothing"),
        ("F ZH MM W ST", "", "nothing"),
        ("F Z MM MM W ST", "", "nothing"),
        ("F Z ZG MM MG W ST SG", "", "nothing"),
        ("F Z MM ZG MG W ST SG", "", "nothing"),
        ("IN F MM ZG MG W ST SG", "", "nothing"),
        ("IN F MM W RD Z MM W ST", "", "nothing"),
        ("IN F MM W RD F Z MM W ST", "", "nothing"),
        ("Z F GZ MM W ST", "", "nothing"),
        ("L: F Z MM W RD LOOP ST", "", "nothing"),
        ("F IF Z ELSE ZC END MM W ST", "", "nothing"),
        // Other constants, and zeros that come one way only or again, are not.
        ("IN F Z1 MM W ST", FENCE, "C7519"),
        ("IN F GZ1 MM W ST", FENCE, "C7519"),
        ("F ZM MM W ST", FENCE, "C7519"),
        ("F K1 MM W ST", FENCE, "C7519"),
        ("F SEL MM W ST", FENCE, "C7519"),
        ("F IF Z ELSE IN END MM W ST", FENCE, "C7519"),
        ("F Z L: MM LOOP W ST", FENCE, "C7519"),
        // What is computed or loaded after the fence.
        ("IN IH F ADD MM W ST", FENCE, "C7519"),
        ("F IN MM W ST", FENCE, "C7519"),
        ("F LS MM W ST", FENCE, "C7519"),
        ("IN IG IH F MM ADDG MG W ST SG", FENCE, "C7519"),
        ("IN F MM IG MG W ST SG", FENCE, "C7519"),
        ("IN F MM IG F MG W ST SG", "", "nothing"),
        ("IN IG IH F MM W ADDG MG W ST SG", FENCE, "C7519"),
        ("IN IG F MM W MG W ST SG", "", "nothing"),
        ("IN IH F MM W MUL MM W ST", FENCE, "C7519"),
        ("IN IH F MM W MUL F MM W ST", "", "nothing"),
        ("IN IH F MM W F MUL MM W ST", FENCE, "C7519"),
        ("IN IG IH F MM C MG C W1 MUL F MM W ST SG", "", "nothing"),
        ("IN IG IH F MM C MG C W1 MUL MM W ST SG", FENCE, "C7519"),
        ("IN IH L: MUL F MM W LOOP ST", "", "nothing"),
        ("IN IH L: F MUL MM W LOOP ST", FENCE, "C7519"),
        // Copies that go away.
        ("IH F MVH MM W ST", "", "nothing"),
        ("IN IH F MM MVG MG W ST SG", "", "nothing"),
        ("IH F MVH MM W ST RH", FENCE, "C7519"),
        ("IH MVH F MM W ST RH", "", "nothing"),
        ("IH F MV0 MM W ST", FENCE, "C7519"),
        ("IN F SWAP MM W ST", FENCE, "C7519"),
        ("F IH MVH MM W ST", FENCE, "C7519"),
        // Sums that are not added to.
        ("F MM0 W ST", "", "nothing"),
        ("F IN MM0 W ST", "", "nothing"),
        ("F IN MMs W ST", "", "nothing"),
        ("F IN MMq W ST", FENCE, "C7519"),
        // Reads.
        ("IN RD F MM W ST", "", "nothing"),
        ("IN F RD MM W ST", SERIAL, "C7514"),
        ("IN F CP MM W ST", SERIAL, "C7514"),
        ("IN IG F MM RG MG W ST SG", SERIAL, "C7514"),
        ("IN IG F MM W RG MG W ST SG", SERIAL, "C7514"),
        ("IN IG F MM W F RD MG W SG", "", "nothing"),
        ("IN F MM W RD MM W ST", "", "nothing"),
        ("IN F MM W F RD MM W ST", "", "nothing"),
        ("IN F MM W RD MM W RD MM W ST", "", "nothing"),
        ("IN F L: MM W RD LOOP ST", FENCE, "C7519"),
        ("IN L: F MM W RD LOOP ST", "", "nothing"),
        // The left matrix.
        ("IN IA F MA W ST", "", "nothing"),
        ("IN IA MA W ST", FENCE, "C7519"),
        ("IN F KA MA W ST", "", "nothing"),
        ("IN F IA MA W ST", "", "nothing"),
        ("IN F LA MA W ST", "", "nothing"),
        ("IN IH F CV MA W ST", "", "nothing"),
        ("IN IA F RA MA W ST", "", "nothing"),
        ("IN IA F MA C RA W0 ST", "", "nothing"),
        ("IN IA F MA C ZA RA W0 ST", "", "nothing"),
        ("IN IA IH F MA C CV RA W0 ST", "", "nothing"),
        ("IN IA IH F MA CV MA W ST", FENCE, "C7519"),
        ("IN IA IH F MA CV1 MA W ST", FENCE, "C7519"),
        ("IN IA IH F MA CV F MA W ST", "", "nothing"),
        ("IN IG IA IH F MA CV MGA W ST SG", FENCE, "C7519"),
        ("IN IG IA IH F MA CV F MGA W ST SG", "", "nothing"),
        ("IN IA F MA ZA MA W ST", "", "nothing"),
        ("IN IA F MA KA MA W ST", "", "nothing"),
        ("IN IA IH F MA MVA MA W ST", "", "nothing"),
        ("IN IA F MA LA MA W ST", FENCE, "C7519"),
        ("IN IG IH F MG CV MA W ST SG", FENCE, "C7519"),
        ("IN IG IH F CV MG MA W ST SG", "", "nothing"),
        ("IN IA IH F MA W CV MA W ST", FENCE, "C7519"),
        ("IN IA IH F MA W F CV MA W ST", "", "nothing"),
        ("IN IH L: F CV MA W LOOP ST", "", "nothing"),
        // What is in flight is left undefined, whatever the assembler makes of it.
        ("IN F MM C RD W0 ST", FLIGHT, "C7517"),
        ("IN IH F MM C ADD W0 ST", FLIGHT, "C7517"),
        ("IN F MM C ST", FLIGHT, "C7517"),
        ("IN F MM C Z W0 ST", FLIGHT, "nothing"),
        ("IN IG F MM C F MG C W1 ST W0 SG", "", "nothing"),
        ("IN IG F MM C F MG C W1 SG W0 ST", FLIGHT, "C7514"),
    ];
    for (row, want, said) in rows {
        let text = spelled(row);
        for seed in 0..22 {
            let policy = match seed % 3 {
                0 => AsyncPolicy::Eager,
                1 => AsyncPolicy::Lazy,
                _ => AsyncPolicy::Random(seed),
            };
            let mut run = Run::new(&text).block(128).input_words([0; 64]).policy(policy);
            run.text = run.text.replace(".version 8.0\n.target sm_80", ".version 8.6\n.target sm_90a");
            if seed > 1 {
                run.options.warp_order = WarpOrder::Random(seed);
            }
            match (run.bytes(), want.is_empty()) {
                (Ok(_), true) => {}
                (Err(fault), false) => {
                    assert!(fault.to_string().contains(want), "{row} ({said}), {policy:?}: {fault}");
                }
                (Err(fault), true) => panic!("{row}: {fault}"),
                (Ok(_), false) => panic!("{row} ({said}): nothing was found"),
            }
        }
    }
}
