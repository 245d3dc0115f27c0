//! The parser: what every construct becomes, that printing and parsing agree, and what bad text is told.

use flashpage_ptx::ast::*;
use flashpage_ptx::words::{Opcode, Space, Special, Type, Word};
use flashpage_ptx::{parse, parse_apart, print};

const HEADER: &str = ".version 8.0\n.target sm_90a\n.address_size 64\n";

/// Parses statements as the body of an entry; its `{` is on line 4.
fn body(statements: &str) -> Vec<Statement> {
    let text = format!("{HEADER}.entry k(.param .u64 a) {{{statements}}}");
    let module = parse(&text).unwrap_or_else(|e| panic!("{statements}: {e}"));
    let Item::Function(function) = module.items.into_iter().next().unwrap() else { panic!("no function") };
    function.body.unwrap()
}

fn one(statement: &str) -> Instruction {
    let mut instructions = body(statement).into_iter().filter_map(|s| match s {
        Statement::Instruction(i) => Some(i),
        _ => None,
    });
    instructions.next().unwrap()
}

fn reg(name: &str) -> Operand {
    Operand::Register(name.into(), None)
}

fn symbol(name: &str, offset: i64, generic: bool) -> Operand {
    Operand::Symbol { name: name.into(), offset, generic }
}

fn address(base: Operand, offset: i64) -> Operand {
    Operand::Address { base: Box::new(base), offset }
}

#[test]
fn operands() {
    let table = [
        ("mov.u32 %r1, %tid.x;", Operand::Special(Special::Tid, Some(Axis::X))),
        (
            "vadd4.u32.u32.u32 %r0, %r1.b7012, %r2, %r3;",
            Operand::Lanes("%r1".into(), Lanes { halves: false, count: 4, which: [2, 1, 0, 7] }),
        ),
        (
            "vadd.u32.u32.u32 %r0, %r1.h1, %r2;",
            Operand::Lanes("%r1".into(), Lanes { halves: true, count: 1, which: [1, 0, 0, 0] }),
        ),
        ("mov.u64 %r1, %clock64;", Operand::Special(Special::Clock64, None)),
        ("mov.u32 %r1, %envreg5;", Operand::Environment("%envreg5".into())),
        ("mov.u32 %r1, %pm0_64;", Operand::Environment("%pm0_64".into())),
        ("mov.b32 %r1, %v.y;", Operand::Register("%v".into(), Some(Axis::Y))),
        ("mov.u32 %r1, -5;", Operand::Int(-5)),
        ("mov.u32 %r1, 0x10U;", Operand::Int(16)),
        ("mov.u32 %r1, (1+2)*4 - 1;", Operand::Int(11)),
        ("mov.u32 %r1, 1 << 4;", Operand::Int(16)),
        ("mov.f32 %r1, -0f3F800000;", Operand::F32((-1f32).to_bits())),
        ("mov.f64 %r1, 1.5e-3;", Operand::F64(1.5e-3f64.to_bits())),
        ("mov.f64 %r1, 2.;", Operand::F64(2f64.to_bits())),
        ("neg.s32 %r1, -%r2;", Operand::Negate(Box::new(reg("%r2")))),
        ("mov.u64 %r1, table+8;", symbol("table", 8, false)),
        ("mov.u64 %r1, generic(table)+8;", symbol("table", 8, true)),
        ("and.pred %r1, !%p1;", Operand::Not(Box::new(reg("%p1")))),
        ("ld.u32 %r1, [%r2];", address(reg("%r2"), 0)),
        ("ld.u32 %r1, [ %r2 + 0 ];", address(reg("%r2"), 0)),
        ("ld.u32 %r1, [%r2+-4];", address(reg("%r2"), -4)),
        ("ld.u32 %r1, [table+4];", address(symbol("table", 0, false), 4)),
        ("ld.u32 %r1, [64];", address(Operand::Int(64), 0)),
        (
            "ld.u32 %r1, [%r2+8, {%r3, 0}];",
            Operand::AddressList(vec![
                address(reg("%r2"), 8),
                Operand::Vector(vec![reg("%r3"), Operand::Int(0)]),
            ]),
        ),
        ("mov.b64 %r1, {%r2, _};", Operand::Vector(vec![reg("%r2"), Operand::Sink])),
    ];
    for (text, expected) in table {
        assert_eq!(one(text).operands[1], expected, "{text}");
    }
    assert_eq!(
        one("elect.sync %r1|%p1, -1;").operands[0],
        Operand::Pair(Box::new(reg("%r1")), Box::new(reg("%p1")))
    );
    assert_eq!(
        one("shfl.sync.idx.b32 _|%p1, 0, 0, 0, -1;").operands[0],
        Operand::Pair(Box::new(Operand::Sink), Box::new(reg("%p1")))
    );
}

#[test]
fn modifiers() {
    use Mod::{Shape, Space as In, Ty, Word as W};
    let table: [(&str, Opcode, Vec<Mod>); 7] = [
        ("add.s32 %r1, %r1, 1;", Opcode::Add, vec![Ty(Type::S32)]),
        (
            "ld.relaxed.gpu.global.L1::no_allocate.v2.b32 {%r1, %r2}, [%r3];",
            Opcode::Ld,
            vec![
                W(Word::Relaxed),
                W(Word::Gpu),
                In(Space::Global),
                W(Word::L1NoAllocate),
                W(Word::V2),
                Ty(Type::B32),
            ],
        ),
        (
            "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 %r1, %r1, %r1, %r1;",
            Opcode::Mma,
            vec![
                W(Word::Sync),
                W(Word::Aligned),
                Shape { m: 16, n: 8, k: 16 },
                W(Word::Row),
                W(Word::Col),
                Ty(Type::F32),
                Ty(Type::Bf16),
                Ty(Type::Bf16),
                Ty(Type::F32),
            ],
        ),
        (
            "ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%r1, %r1, %r1, %r1}, [%r2];",
            Opcode::Ldmatrix,
            vec![
                W(Word::Sync),
                W(Word::Aligned),
                W(Word::M8n8),
                W(Word::X4),
                W(Word::Trans),
                In(Space::Shared),
                Ty(Type::B16),
            ],
        ),
        (
            "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%r1], [%r2, {%r3, %r4}], [%r5];",
            Opcode::Cp,
            vec![
                W(Word::Async),
                W(Word::Bulk),
                W(Word::Tensor),
                W(Word::D2),
                In(Space::SharedCluster),
                In(Space::Global),
                W(Word::MbarrierCompleteTxBytes),
            ],
        ),
        (
            "fence.proxy.async.shared::cta;",
            Opcode::Fence,
            vec![W(Word::Proxy), W(Word::Async), In(Space::SharedCta)],
        ),
        ("shf.l.wrap.b32 %r1, %r1, %r1, 3;", Opcode::Shf, vec![W(Word::L), W(Word::Wrap), Ty(Type::B32)]),
    ];
    for (text, op, mods) in table {
        let instruction = one(text);
        assert_eq!((instruction.op, instruction.mods), (op, mods), "{text}");
    }
}

#[test]
fn names_declared_without_a_percent_sign_are_registers_in_their_block_only() {
    let statements = body("{ .reg .pred p; .reg .b32 t<3>; setp.eq.s32 p, t2, t3; }\n mov.u64 %rd1, p;");
    let Statement::Block(block) = &statements[0] else { panic!("no block") };
    let Statement::Instruction(inside) = &block[2] else { panic!("no instruction") };
    assert_eq!(inside.operands, [reg("p"), reg("t2"), symbol("t3", 0, false)]);
    let Statement::Instruction(outside) = &statements[1] else { panic!("no instruction") };
    assert_eq!(outside.operands[1], symbol("p", 0, false));
    assert_eq!(outside.line, 5);
}

/// Everything at once: what the six kinds of compilers write. Printing it gives the same tree.
const EVERYTHING: &str = r#"
// a comment /* and in it another
.version 7.8
.target sm_80, debug
.address_size 64
.file 1 "kernel.cu"
.extern .shared .align 16 .b8 smem[];
.visible .global .align 4 .u32 counter = 3, other;
.global .align 1 .b8 _$_str[11] = {95, 95, 67};
.const .align 4 .f32 grid[2][2] = {{0f3F800000, 1.5}, {-2.5, 0}};
.global .align 8 .u64 pointers[3] = {generic(counter)+4, _$_str+2, 0};
.global .align 8 .b8 packed[2] = {0xFF(counter), 0xFF00(generic(counter))};
.extern .func (.param .b32 func_retval0) vprintf
(
    .param .b64 vprintf_param_0,
    .param .b64 vprintf_param_1
)
;
.func (.reg .b32 result) twice (.reg .b32 x) .noreturn { add.s32 result, x, x; ret; }
.weak .func plain { ret; }
.visible .entry main(
    .param .u64 .ptr .global .align 1 main_param_0,
    .param .align 64 .b8 main_param_1[128],
    .param .f32 main_param_2
)
.maxntid 128, 1, 1
.minnctapersm 2
.explicitcluster
{
    .reg .pred %p<5>, q;
    .reg .v4 .f32 %v;
    .reg .b32 a, b, c;
    .reg .b64 %rd<4>, %SPL;
    .local .align 16 .b8 __local_depot0[32];
    .shared .align 8 .b64 barriers[4];
    .loc 1 10 3, function_name $L__info, inlined_at 1 4 5
    .pragma "nounroll";
    mov.u32 a, %tid.x;;
    @!q bra.uni $L__BB0_1;
    {
        .reg .pred P1;
        .param .b64 param0;
        st.param.b64 [param0+0], %rd1;
        .param .b32 retval0;
        call.uni (retval0), vprintf, (param0, %rd2);
        call plain;
        call (retval0), %rd3, (param0), prototype_0;
        mbarrier.try_wait.parity.shared.b64 P1, [barriers], 1;
        @P1 bra $L__BB0_1;
    }
    ts: .branchtargets $L__BB0_1, done;
    prototype_0: .callprototype (.param .b32 _) _ (.param .b64 _, .param .b64 _);
    brx.idx a, ts;
$L__BB0_1:
    tex_is_no_opcode: /* a label
    over two lines */
    ld.global.nc.v4.f32 {%v.x, %v.y, %v.z, %v.w}, [%rd1+-16];
    vadd2.s32.s32.s32.sat a.h1, b.h02, c, a;
    lop3.b32 a, b, c, a, 0x96;
done:
    ret;
}
@@DWARF .byte 0x12, "anything"
.section .debug_abbrev { .b8 1 $L__x: .b32 a-b {} }
"#;

/// The module as the printer's text makes it: what lines things stand on is forgotten.
fn reprinted(module: &Module) -> Module {
    let text = print(module);
    parse(&text).unwrap_or_else(|e| panic!("{e} in\n{text}"))
}

#[test]
fn printing_and_parsing_agree() {
    let module = parse(EVERYTHING).unwrap();
    assert_eq!(module.version, (7, 8));
    assert_eq!(module.target, ["sm_80", "debug"]);
    assert_eq!(module.items.len(), 11);
    let once = reprinted(&module);
    assert_eq!(print(&module), print(&once));
    // The printed text is the same from here on, so the trees may be compared with their lines.
    assert_eq!(once, reprinted(&once));
    let Item::Function(main) = module.items.last().unwrap() else { panic!("no entry") };
    assert_eq!(
        main.directives,
        [
            ("maxntid".to_string(), vec![128, 1, 1]),
            ("minnctapersm".to_string(), vec![2]),
            ("explicitcluster".to_string(), vec![])
        ]
    );
    assert_eq!(main.params[0].pointer, Some((Some(Space::Global), Some(1))));
    assert_eq!((main.params[1].align, main.params[1].dims.clone()), (Some(64), vec![Some(128)]));
}

#[test]
fn bad_text_is_told_where_and_what() {
    let deep = format!("{HEADER}.entry k() {{{}", "{".repeat(100_000));
    let deep_sum = format!("{HEADER}.global .u32 a = {}", "(".repeat(100_000));
    let table: &[(&str, u32, u32, &str)] = &[
        ("", 1, 1, "expected `.version MAJOR.MINOR` before anything else, found the end of the text"),
        (".version x", 1, 10, "expected MAJOR.MINOR after `.version`, found `x`"),
        (".version 8.0\n", 2, 1, "expected `.target sm_NN` after `.version`, found none in the text"),
        (
            ".version 8.0\n.target sm_80\n.address_size 48",
            3,
            15,
            "expected 32 or 64 after `.address_size`, found `48`",
        ),
        (
            "HEADadd.s32;",
            4,
            1,
            "expected a declaration at module scope, such as `.visible .entry`, found `add`",
        ),
        (
            "HEAD.visible .b32",
            4,
            10,
            "expected `.entry`, `.func`, `.global`, `.const` or `.shared` at module scope, found `.b32`",
        ),
        ("HEAD.entry k() {\n frob.u32 %r1;\n}", 5, 2, "unknown opcode `frob`"),
        ("HEAD.entry k() { add.s33 %r1; }", 4, 17, "unknown modifier `.s33` of `add`"),
        ("HEAD.entry k() { ret }", 4, 18, "expected an operand, found `}`"),
        ("HEAD.entry k() { add.s32 a b; }", 4, 24, "expected `,` or `;` after an operand, found `b`"),
        (
            "HEAD.entry k() { ret;",
            4,
            18,
            "expected an instruction, a label or `}`, found the end of the text",
        ),
        (
            "HEAD.entry k() { mov.u32 a, 0x; }",
            4,
            25,
            "expected a number of at most 64 bits (0f and 8 or 0d and 16 digits for a float), found `0x`",
        ),
        ("HEAD.entry k() { mov.u32 a, 1/0; }", 4, 26, "division by zero or a negative shift in a constant"),
        (
            "HEAD.entry k() { mov.u32 a, %tid.q; }",
            4,
            29,
            "expected `.x`, `.y`, `.z` or `.w` after `%tid`, found `.q`",
        ),
        ("HEAD.entry k() { ld.u32 a, [b; }", 4, 26, "expected `,` or `]` after an address, found `;`"),
        (
            "HEAD.entry k() .fast 3 { }",
            4,
            12,
            "expected `{`, `;` or a directive such as `.reqntid` and `.maxnreg`, found `.fast`",
        ),
        (
            "HEAD.entry k(.param .u64 .u) { }",
            4,
            22,
            "expected a type, `.align`, `.v2`, `.v4` or `.ptr` in a declaration, found `.u`",
        ),
        (
            "HEAD.global .align 8 a;",
            4,
            18,
            "expected a type such as `.b32` before the variable's name, found `a`",
        ),
        ("HEAD.global .b8 a[-1];", 4, 15, "an array length below zero"),
        ("HEAD.global .b8 a[1 - 2];", 4, 15, "an array length below zero"),
        (
            "HEAD.global .b8 a[18446744073709551615];",
            4,
            15,
            "an array of 18446744073709551615 elements: no memory holds so many",
        ),
        (
            "HEAD.shared .b8 a[0x8000000000000000];",
            4,
            15,
            "an array of 9223372036854775808 elements: no memory holds so many",
        ),
        (
            "HEAD.global .b8 a[18446744073709551616];",
            4,
            15,
            "expected a number of at most 64 bits (0f and 8 or 0d and 16 digits for a float), found `18446744073709551616`",
        ),
        ("HEAD.global .b8 a[2][0];", 4, 18, "an array of arrays of no elements"),
        ("HEAD.global .align 0 .b8 a;", 4, 16, "an alignment of 0 bytes: it is a power of two"),
        ("HEAD.global .align 3 .b8 a;", 4, 16, "an alignment of 3 bytes: it is a power of two"),
        (
            "HEAD.entry k(.param .u64 .ptr .global .align 0 a) { }",
            4,
            42,
            "an alignment of 0 bytes: it is a power of two",
        ),
        ("HEAD.global .align -4 .b8 a;", 4, 16, "expected a number of bytes after `.align`, found `-`"),
        ("HEAD.entry k() .maxntid 0 { }", 4, 21, "`.maxntid` of 0: it is at least 1"),
        ("HEAD.entry k() .reqntid 1, 0, 1 { }", 4, 24, "`.reqntid` of 0: it is at least 1"),
        ("HEAD.entry k() .maxnreg 0 { }", 4, 21, "`.maxnreg` of 0: it is at least 1"),
        (
            "HEAD.entry k() .maxntid 4294967296 { }",
            4,
            21,
            "expected a number after `.maxntid`, found `4294967296`",
        ),
        (
            "HEAD.entry k() { .reg .b32 r<4294967296>; }",
            4,
            26,
            "expected how many registers after `<`, found `4294967296`",
        ),
        (
            "HEAD.shared .v3 .b32 a;",
            4,
            9,
            "expected a type, `.align`, `.v2`, `.v4` or `.ptr` in a declaration, found `.v3`",
        ),
        (
            "HEAD /* never",
            4,
            2,
            "expected a declaration at module scope, such as `.visible .entry`, found a comment that is never closed: add `*/`",
        ),
        ("HEAD.section .debug { {", 4, 1, "`.section` is never closed: add `}`"),
        ("HEAD.entry k() { λ; }", 4, 14, "unknown opcode `λ`"),
        (&deep, 4, 78, "blocks nested more than 64 deep"),
        (&deep_sum, 4, 83, "a constant expression nested more than 64 deep"),
    ];
    let mut wrong = Vec::new();
    for (text, line, column, message) in table {
        let error = parse(&text.replace("HEAD", HEADER)).expect_err(text);
        let shown: String = text.chars().take(80).collect();
        if (error.line, error.column, error.message.as_str()) != (*line, *column, *message) {
            wrong.push(format!("{shown}: {error}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Every prefix of a text, and the text with any one byte changed, gives a module or an error: never a panic.
#[test]
fn broken_text_never_panics() {
    let bytes = EVERYTHING.as_bytes();
    for end in 0..bytes.len() {
        let _ = parse(&String::from_utf8_lossy(&bytes[..end]));
    }
    for at in 0..bytes.len() {
        for replacement in [b'{', b'"', b'(', b'.', b'%', b'9', b'\n', 0xC3] {
            let mut changed = bytes.to_vec();
            changed[at] = replacement;
            let _ = parse(&String::from_utf8_lossy(&changed));
        }
    }
}

/// Bodies that cannot be read keep no other from being read, whatever stands in them; what is outside of them does.
#[test]
fn functions_apart() {
    let head = ".version 8.0\n.target sm_80\n.address_size 64\n";
    let good = ".entry good() { ret; }";
    let rows = [
        (".entry k() { frobnicate %r1; }", Some("4:14: unknown opcode `frobnicate`")),
        (".func f() { { tcgen05.alloc [%r1]; } ret; }", Some("4:15: unknown opcode `tcgen05`")),
        (
            ".entry k() { .reg .b32 r<3>; add.s32 r1, r2 r3; { ret; } }",
            Some("4:45: expected `,` or `;` after an operand, found `r3`"),
        ),
        (
            ".entry k() { .shared .b8 x[18446744073709551615]; ret; }",
            Some("4:28: an array of 18446744073709551615 elements: no memory holds so many"),
        ),
        (".entry k() { ret; }", None),
    ];
    for (bad, want) in rows {
        for (text, at) in [(format!("{head}{bad}\n{good}"), 0), (format!("{head}{bad} {good}"), 0)] {
            let (module, unread) = parse_apart(&text).unwrap();
            assert_eq!(module.items.len(), 2, "{text}");
            let got: Vec<(usize, String)> = unread.iter().map(|u| (u.item, u.error.to_string())).collect();
            let want: Vec<(usize, String)> = want.iter().map(|want| (at, want.to_string())).collect();
            assert_eq!(got, want, "{text}");
            // One word for it: the strict way says the same.
            assert_eq!(parse(&text).err(), unread.first().map(|u| u.error.clone()), "{text}");
        }
    }
    for outside in
        [".entry k() { frob;", ".frob x;", ".entry k(.param) { ret; }", ".global .align 0 .b8 x[1];"]
    {
        let text = format!("{head}{outside}\n{good}");
        assert_eq!(parse_apart(&text).err(), parse(&text).err(), "{text}");
        assert!(parse(&text).is_err(), "{text}");
    }
}
