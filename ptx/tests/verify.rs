//! The verifier: each rule with a text that breaks it and what is said, and texts that must pass.

use flashpage_ptx::{parse, verify};

const REGISTERS: &str = ".reg .pred %p<4>; .reg .b16 %h<4>; .reg .b32 %r<16>; .reg .s32 %s<4>; \
    .reg .f32 %f<16>; .reg .b64 %rd<8>; .reg .f64 %d<4>;";

/// Problems of an entry with these statements; the body's first line is line 5.
fn problems(header: &str, body: &str) -> Vec<String> {
    let text = format!("{header}\n.address_size 64\n.entry k(.param .u64 a) {{ {REGISTERS}\n{body}\n}}");
    let module = parse(&text).unwrap_or_else(|e| panic!("{body}: {e}"));
    verify(&module).iter().map(|problem| problem.to_string()).collect()
}

const HOPPER: &str = ".version 8.0\n.target sm_90a";

/// Statements before the checked one, so that registers hold something.
const WRITTEN: &str = "mov.u32 %r1, 1; mov.u32 %r2, 1; mov.u32 %r3, 1; mov.u32 %r4, 1; mov.f32 %f1, 0f00000000; \
    mov.f32 %f2, %f1; mov.u64 %rd1, a; mov.u64 %rd2, a; mov.u32 %s1, 1; mov.b16 %h1, 1; setp.eq.u32 %p1, %r1, 0;";

#[test]
fn classes_and_counts() {
    let table = [
        ("add.s32 %r4, %r1, %s1;", ""),
        (
            "add.s32 %f3, %r1, 1;",
            "operand 1 of `add`, `%f3`, is .f32: it takes a 32-bit register that agrees with .s32",
        ),
        (
            "add.s32 %rd3, %r1, 1;",
            "operand 1 of `add`, `%rd3`, is .b64: it takes a 32-bit register that agrees with .s32",
        ),
        ("add.s32 %r4, %r1;", "`add` takes 3 operands, and has 2"),
        ("add.f32 %r4, %f1, 0f3F800000;", ""),
        (
            "add.f32 %s2, %f1, 0f3F800000;",
            "operand 1 of `add`, `%s2`, is .s32: it takes a 32-bit register that agrees with .f32",
        ),
        (
            "mov.u32 %r4, %p1;",
            "operand 2 of `mov`, `%p1`, is .pred: it takes a 32-bit register that agrees with .u32",
        ),
        ("fma.rn.f16x2 %r4, %r1, %r2, %r1;", ""),
        (
            "fma.rn.f16x2 %r4, %r1, 0x5c005c00, %r2;",
            "`fma` over 16-bit floats takes registers, and no literals",
        ),
        ("mul.f16 %h2, %h1, 2;", "`mul` over 16-bit floats takes registers, and no literals"),
        ("mov.b16 %h1, 2;", ""),
        ("and.pred %p2, %p1, !%p1;", ""),
        ("and.pred %p2, %p1, %r1;", "operand 3 of `and`, `%r1`, is .b32: it takes a .pred register"),
        ("setp.lt.s32 %p2|%p3, %r1, %r2;", ""),
        ("setp.lt.s32 %r4, %r1, %r2;", "operand 1 of `setp`, `%r4`, is .b32: it takes a .pred register"),
        ("selp.f32 %r4, %f1, %r2, %p1;", ""),
        ("mul.wide.s32 %rd3, %r1, %r2;", ""),
        ("mul.wide.s32 %r4, %r1, %r2;", "operand 1 of `mul`, `%r4`, is .b32: it takes a 64-bit register"),
        ("ld.global.u8 %r4, [%rd1];", ""),
        (
            "ld.global.u64 %r4, [%rd1];",
            "operand 1 of `ld`, `%r4`, is .b32: it takes a register of at least 64 bits that agrees with .u64",
        ),
        (
            "ld.global.b32 %r4, [%f1];",
            "`ld` takes an address from `%f1`, a .f32: it takes an integer register",
        ),
        ("cvt.u16.u32 %r4, %r1;", ""),
        (
            "cvt.rn.bf16x2.f32 %f3, %f1, %f2;",
            "operand 1 of `cvt`, `%f3`, is .f32: it takes a register of at least 32 bits that agrees with .bf16x2",
        ),
        ("mov.b64 %rd3, {%r1, %r2};", ""),
        (
            "mov.b64 %rd3, {%r1, %h1};",
            "`mov.b64` packs 48 bits into 64: the parts must be as wide as the whole",
        ),
        ("@!%p1 add.s32 %r4, %r1, 1;", ""),
        ("@%r1 add.s32 %r4, %r1, 1;", "`@%r1` guards with a .b32 register: it takes a .pred one (setp)"),
        (
            "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%f1,%f2,%f3,%f4}, {%r1,%r2,%r3,%r4}, {%r1}, {%f1,%f2,%f1,%f2};",
            "`mma` takes 2 registers as B (operand 3), and has 1",
        ),
        (
            "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r1, %r2}, [%r3];",
            "`ldmatrix` takes 4 registers as the matrices (operand 1), and has 2",
        ),
        (
            "wgmma.mma_async.sync.aligned.m64n8k16.f32.f16.f16 {%f1,%f2,%f3}, %rd1, %rd2, 1, 1, 1, 0, 0;",
            "`wgmma` takes 4 registers as D (operand 1), and has 3",
        ),
        ("shfl.sync.bfly.b32 %r4|%p2, %r1, 1, 31, -1;", ""),
        ("atom.global.add.f32 %f3, [%rd1], %f1, %rd2;", ""),
    ];
    check(&table, WRITTEN);
}

#[test]
fn names() {
    let table = [
        ("mov.u32 %r99, 1;", "register `%r99` is not declared: declare it with `.reg` in this block"),
        ("{ .reg .b32 t; mov.u32 t, 1; }", ""),
        (".reg .b32 %r3;", "register `%r3` is declared twice in one block: drop one of them"),
        ("{ .reg .b32 %r3; }", ""),
        (".reg .b32 %r<3>;", "registers `%r<…>` are declared twice in one block: make it one declaration"),
        (".shared .b32 x; .shared .b32 x;", "`x` is declared twice in one block: rename one of them"),
        (
            "mov.u32 %r4, smem;",
            "`smem` is not declared: declare it as a variable, or as a register with `.reg`",
        ),
        ("bra nowhere;", "label `nowhere` is not in this block or one around it"),
        ("{ in: } bra in;", "label `in` is not in this block or one around it"),
        ("{ bra out; } out:", ""),
        ("twice: twice:", "label `twice` stands twice in one block: rename one of them"),
        (
            "call f, (%r1);",
            "`f` is not declared: declare it as a function, variable or prototype, or as a register with `.reg`",
        ),
        ("brx.idx %r1, ts;", "`ts` is no `.branchtargets` list: write `ts: .branchtargets …;`"),
        ("ts: .branchtargets a1, b1; brx.idx %r1, ts; a1: b1:", ""),
    ];
    check(&table, WRITTEN);
}

#[test]
fn registers_that_nothing_writes() {
    let never = "register `%r1` is read, and nothing before it writes it: write it first";
    let table = [
        ("add.s32 %r2, %r1, 1;", never),
        ("mov.u32 %r1, 1; add.s32 %r2, %r1, 1;", ""),
        ("add.s32 %r1, %r1, 1;", never),
        // Written on one path only: it may be fine.
        ("setp.eq.u32 %p1, 1, 0; @%p1 bra L; mov.u32 %r1, 1; L: add.s32 %r2, %r1, 1;", ""),
        // Written later in the loop, read on its first pass by a branch that a counter may keep from happening.
        (
            "mov.u32 %r2, 0; setp.eq.u32 %p1, %r2, 0; L: @%p1 add.s32 %r3, %r1, 1; mov.u32 %r1, 1; @%p1 bra L;",
            "",
        ),
        // Written only where control never comes back from.
        ("setp.eq.u32 %p1, 1, 0; @%p1 bra L; mov.u32 %r1, 1; ret; L: add.s32 %r2, %r1, 1;", never),
        // Nobody comes here.
        ("bra L; add.s32 %r2, %r1, 1; L: ret;", ""),
        ("st.global.b32 [a], %r1;", never),
        ("ld.shared.b32 %r2, [%r1];", never),
        ("@%p1 ret;", "register `%p1` is read, and nothing before it writes it: write it first"),
    ];
    check(&table, "");
}

fn check(table: &[(&str, &str)], before: &str) {
    for (body, expected) in table {
        let found = problems(HOPPER, &format!("{before}\n{body}"));
        let expected: Vec<String> =
            if expected.is_empty() { Vec::new() } else { vec![format!("line 6: {expected}")] };
        assert_eq!(found, expected, "{body}");
    }
}

#[test]
fn versions_and_targets() {
    let ampere = ".version 7.0\n.target sm_80";
    let table = [
        (ampere, "cp.async.commit_group;", vec![]),
        (ampere, "ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r1}, [0];", vec![]),
        (
            ".version 6.4\n.target sm_70",
            "cp.async.commit_group;",
            vec![
                "`cp.async` needs PTX 7.0, and the module says .version 6.4: raise it",
                "`cp.async` needs sm_80 or higher, and the module says .target sm_70",
            ],
        ),
        (
            ".version 8.0\n.target sm_90",
            "wgmma.fence.sync.aligned;",
            vec!["`wgmma` needs sm_90a, and the module says .target sm_90"],
        ),
        (
            ampere,
            "mbarrier.try_wait.shared.b64 %p1, [0], 0;",
            vec![
                "`mbarrier.try_wait` needs PTX 7.8, and the module says .version 7.0: raise it",
                "`mbarrier.try_wait` needs sm_90 or higher, and the module says .target sm_80",
            ],
        ),
        (
            ampere,
            "mov.u32 %r1, %cluster_ctarank;",
            vec![
                "`%cluster_ctarank` needs PTX 7.8, and the module says .version 7.0: raise it",
                "`%cluster_ctarank` needs sm_90 or higher, and the module says .target sm_80",
            ],
        ),
        (
            ".version 7.8\n.target sm_90a",
            "fence.proxy.async.shared::cta;",
            vec!["`fence.proxy.async` needs PTX 8.0, and the module says .version 7.8: raise it"],
        ),
    ];
    for (header, body, expected) in table {
        let expected: Vec<String> = expected.iter().map(|message| format!("line 5: {message}")).collect();
        assert_eq!(problems(header, body), expected, "{body}");
    }
}

#[test]
fn module_scope() {
    let header = ".version 7.0\n.target sm_80\n.address_size 64\n";
    let table = [
        (
            ".global .u32 a; .extern .func f; .func f { ret; } .entry k { mov.u64 %rd, a; }",
            "register `%rd` is not declared: declare it with `.reg` in this block",
        ),
        (".global .u32 a;\n.global .u32 a;", "`a` is defined twice: rename one of them"),
        (".entry k { ret; }\n.entry k { ret; }", "`k` is defined twice: rename one of them"),
        (".func (.reg .b32 r) f (.reg .b32 x) { add.s32 r, x, 1; ret; }", ""),
        (
            ".entry k .reqnctapercluster 2 { ret; }",
            "`.reqnctapercluster` needs PTX 7.8, and the module says .version 7.0: raise it",
        ),
    ];
    for (text, expected) in table {
        let module = parse(&format!("{header}{text}")).unwrap_or_else(|e| panic!("{text}: {e}"));
        let first = verify(&module).first().map(|problem| problem.message.clone()).unwrap_or_default();
        assert_eq!(first, expected, "{text}");
    }
}
