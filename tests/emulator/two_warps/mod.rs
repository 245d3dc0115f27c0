//! A kernel of two warps over shared memory, run under every policy and many orders of warps: what is found in one of them
//! is to be found in all, whichever access comes first, and so is silence.

use flashpage_emulator::{AsyncPolicy, Launch, Memory, Module, Options, Sanitize, WarpOrder};

/// A kernel for sm_90a: `%r1` is the thread, `%r2` the warp, `%r3` the address of its word in `S`, `%r4` that of the
/// word of the thread in the other warp (of two), `%r5` that of the next lane, and `B` an mbarrier.
pub fn text(body: &str) -> String {
    format!(
        ".version 8.3\n.target sm_90a\n.address_size 64\n\
         .visible .entry k(.param .u64 out, .param .u64 flag) {{\n\
         .reg .b32 %r<40>; .reg .b64 %rd<20>; .reg .pred %p<20>;\n\
         .shared .align 128 .b8 S[1024]; .shared .align 8 .b64 B;\n\
         ld.param.u64 %rd1, [out]; ld.param.u64 %rd2, [flag];\n\
         mov.u32 %r1, %tid.x; shr.u32 %r2, %r1, 5;\n\
         mov.u32 %r10, S; mad.lo.u32 %r3, %r1, 4, %r10;\n\
         xor.b32 %r11, %r1, 32; mad.lo.u32 %r4, %r11, 4, %r10;\n\
         add.u32 %r12, %r1, 1; and.b32 %r12, %r12, 31; and.b32 %r13, %r1, 32; or.b32 %r12, %r12, %r13;\n\
         mad.lo.u32 %r5, %r12, 4, %r10;\n\
         setp.eq.u32 %p1, %r1, 0; setp.eq.u32 %p2, %r2, 0; setp.eq.u32 %p3, %r1, 32;\n\
         mul.wide.u32 %rd3, %r1, 4; add.u64 %rd3, %rd1, %rd3;\n\
         st.shared.u32 [%r3], -1; @%p1 st.shared.u32 [S+512], 0; bar.sync 0;\n\
         {body}\n\
         ret;\n}}\n"
    )
}

/// The kernel over two warps; what comes of it.
pub fn run(body: &str, options: &Options) -> Result<(), String> {
    let module = Module::load(&text(body)).unwrap_or_else(|e| panic!("{e}\n{body}"));
    let mut memory = Memory::new();
    let mut params = Vec::new();
    for _ in 0..2 {
        let at = memory.alloc(4096, 16).unwrap();
        memory.write(at, &[0; 4096]).unwrap();
        params.push(at.to_le_bytes().to_vec());
    }
    let launch = Launch { block: [64, 1, 1], params, ..Launch::default() };
    module.launch(&mut memory, "k", &launch, options).map(|_| ()).map_err(|fault| {
        let other = fault.other.as_ref().map_or(String::new(), |o| format!(" | {}", o.instruction));
        let site = fault.site.as_ref().map_or("", |s| s.instruction.as_str());
        format!("{} | {site}{other}", fault.kind)
    })
}

pub const STORE: &str = "st.shared.u32 [%r3], %r1;";
pub const OTHER_WARP: &str = "ld.shared.u32 %r20, [%r4]; st.global.u32 [%rd3], %r20;";
pub const NEXT_LANE: &str = "ld.shared.u32 %r20, [%r5]; st.global.u32 [%rd3], %r20;";
pub const RACE: &str = "with no barrier between";
pub const LANES: &str = "by another lane of the warp, with no `bar.warp.sync` between";
pub const INIT: &str = "@%p1 mbarrier.init.shared.b64 [B], 64; bar.sync 0;";

/// Every policy with warps in order, and twenty seeds of both, so that each policy meets many orders.
pub fn harnesses() -> Vec<Options> {
    let options = |policy, warp_order| Options {
        policy,
        warp_order,
        sanitize: true.into(),
        instruction_budget: 1 << 20,
        ..Options::default()
    };
    let mut all =
        vec![options(AsyncPolicy::Eager, WarpOrder::InOrder), options(AsyncPolicy::Lazy, WarpOrder::InOrder)];
    all.extend((0..20).map(|seed| {
        let policies = [AsyncPolicy::Random(seed), AsyncPolicy::Eager, AsyncPolicy::Lazy];
        options(policies[seed as usize % 3], WarpOrder::Random(seed))
    }));
    all
}

/// Runs every row under everything: silent where nothing is wanted, else named by one of the alternatives, which bars
/// part.
pub fn check(rows: &[(&str, String, &str)]) {
    check_under(Sanitize::USUAL, rows);
}

/// The same with these checks.
pub fn check_under(sanitize: Sanitize, rows: &[(&str, String, &str)]) {
    for (name, body, want) in rows {
        for options in harnesses() {
            let options = Options { sanitize, ..options };
            let got = run(body, &options);
            match want.is_empty() {
                true => assert_eq!(got, Ok(()), "{name}, {options:?}"),
                false => {
                    let message = got.expect_err(name);
                    let found = want.split('|').any(|want| message.contains(want));
                    assert!(found, "{name}, {options:?}: {message}");
                }
            }
        }
    }
}
