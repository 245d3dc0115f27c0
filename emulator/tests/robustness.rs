//! No text makes the emulator panic: programs that were damaged at random either are refused at load or run into
//! their end, a fault or their budget.

mod machine;

use flashpage_emulator::{AsyncPolicy, Launch, Memory, Module, Options};

/// Enough randomness, the same every time.
struct Draw(u64);

impl Draw {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }
}

fn run(text: &str, seed: u64) -> bool {
    let Ok(module) = Module::load(text) else { return false };
    for entry in module.entries() {
        let mut memory = Memory::new();
        let buffer = memory.alloc(4096, 256).unwrap();
        memory.write(buffer, &[1; 2048]).unwrap();
        let parameter = |bytes: u32| {
            let mut value = buffer.to_le_bytes().to_vec();
            value.resize(bytes as usize, 0);
            value
        };
        let launch = Launch {
            grid: [2, 1, 1],
            block: entry.required_block.unwrap_or([48, 1, 1]),
            dynamic_shared_bytes: 256,
            params: entry.parameters.iter().map(|p| parameter(p.bytes)).collect(),
            ..Launch::default()
        };
        let options = Options {
            policy: AsyncPolicy::Random(seed),
            sanitize: seed.is_multiple_of(2),
            threads: 1,
            instruction_budget: 20_000,
            ..Options::default()
        };
        let _ = module.launch(&mut memory, entry.name, &launch, &options);
    }
    true
}

#[test]
fn damaged_programs() {
    let every_kind = machine::kernel(
        ".shared .align 16 .b8 S[256]; .local .align 8 .b8 L[32];
        mov.u32 %r1, %tid.x; setp.lt.u32 %p1, %r1, 20; mov.u32 %r2, S; mul.wide.u32 %rd1, %r1, 4; add.u64 %rd2, %in, %rd1;
        ld.global.u32 %r3, [%rd2]; st.local.u32 [L+4], %r3; ld.local.v2.u16 {%h1, %h2}, [L+4];
        A: add.u32 %r3, %r3, 1; setp.lt.u32 %p2, %r3, 40; @%p2 bra A;
        { .reg .u32 %r3; mov.u32 %r3, 7; atom.shared.add.u32 %r4, [S+8], %r3; }
        @%p1 bra B; bar.sync 0, 64; bra C; B: bar.sync 0, 64; C: T: .branchtargets A, D; setp.ge.u32 %p3, %r1, 32; @%p3 exit;
        brx.idx 1, T; D: shfl.sync.bfly.b32 %r5|%p4, %r1, 3, 31, -1; vote.sync.ballot.b32 %r6, %p4, -1;
        cvt.rn.f32.u32 %r7, %r6; fma.rn.f32 %r8, %r7, 0f3F000000, 1.0; ex2.approx.ftz.f32 %r8, %r8; cvt.rn.f16x2.f32 %r9, %r8, %r7;
        ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%r10, %r11}, [%r2];
        mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%r12, %r13, %r14, %r15}, {%r9, %r10}, {%r11}, {%r8, %r8, %r8, %r8};
        cp.async.ca.shared.global [%r2], [%rd2], 4; cp.async.commit_group; cp.async.wait_group 0; bfe.s32 %r16, %r12, %r13, %r14;
        cvta.shared.u64 %rd4, %rd1; st.u32 [%rd4], %r16; red.global.add.f32 [%rd2], %r12; div.s32 %r17, %r16, %r1; prmt.b32 %r18, %r1, %r2, %r3;",
    );
    let sources = [include_str!("data/matmul.ptx").to_string(), every_kind];
    let mut draw = Draw(1);
    let mut loaded = 0;
    for source in &sources {
        assert!(run(source, 1), "{:?}", Module::load(source).err());
        let words: Vec<&str> = source.split_inclusive(|c: char| !c.is_alphanumeric()).collect();
        for seed in 0..1500 {
            let mut damaged = words.clone();
            for _ in 0..1 + draw.below(3) {
                let (at, other) = (draw.below(damaged.len()), draw.below(words.len()));
                match draw.below(4) {
                    0 => drop(damaged.remove(at)),
                    1 => damaged.insert(at, words[other]),
                    2 => damaged[at] = words[other],
                    _ => {
                        let number =
                            ["0 ", "1,", "31,", "-1;", "4294967295,", "0x7fffffffffffffff]", "9999999999;"];
                        damaged[at] = number[draw.below(number.len())];
                    }
                }
            }
            loaded += run(&damaged.concat(), seed) as u32;
        }
    }
    assert!(loaded > 300, "only {loaded} damaged programs could be run");
}
