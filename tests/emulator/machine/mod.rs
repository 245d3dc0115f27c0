//! What the tests share: a module around a kernel body, and buffers in device memory.

use flashpage_emulator::{AsyncPolicy, Fault, Launch, Memory, Module, Options, Report, Sanitize};

/// A kernel `k` around `body`, with registers to spare and parameters `in` and `out`, loaded into %in and %out.
pub fn kernel(body: &str) -> String {
    format!(
        ".version 8.0\n.target sm_80\n.address_size 64\n\
         .visible .entry k(.param .u64 in, .param .u64 out) {{\n\
         .reg .b16 %h<32>; .reg .b32 %r<64>; .reg .b64 %rd<64>; .reg .b128 %q<8>; .reg .pred %p<32>; .reg .b64 %in, %out;\n\
         ld.param.u64 %in, [in];\n\
         ld.param.u64 %out, [out];\n\
         {body}\n\
         ret;\n}}\n"
    )
}

/// Lines of `kernel` before its body.
pub const BODY_LINE: u32 = 8;

/// A launch of one kernel over an input and an output buffer.
pub struct Run {
    pub text: String,
    pub input: Vec<u8>,
    pub output_bytes: usize,
    pub grid: [u32; 3],
    pub block: [u32; 3],
    pub dynamic_shared_bytes: u32,
    pub options: Options,
}

impl Run {
    pub fn new(body: &str) -> Run {
        Run {
            text: kernel(body),
            input: vec![],
            output_bytes: 4096,
            grid: [1; 3],
            block: [32, 1, 1],
            dynamic_shared_bytes: 0,
            options: Options { sanitize: Sanitize::USUAL, instruction_budget: 1 << 24, ..Options::default() },
        }
    }

    pub fn block(mut self, x: u32) -> Run {
        self.block = [x, 1, 1];
        self
    }

    pub fn grid(mut self, x: u32) -> Run {
        self.grid = [x, 1, 1];
        self
    }

    pub fn policy(mut self, policy: AsyncPolicy) -> Run {
        self.options.policy = policy;
        self
    }

    pub fn unchecked(mut self) -> Run {
        self.options.sanitize = Sanitize::NONE;
        self
    }

    pub fn input_words(mut self, words: impl IntoIterator<Item = u32>) -> Run {
        self.input = words.into_iter().flat_map(u32::to_le_bytes).collect();
        self
    }

    pub fn output(mut self, bytes: usize) -> Run {
        self.output_bytes = bytes;
        self
    }

    /// Runs kernel `k`; the output buffer's bytes.
    pub fn bytes(&self) -> Result<(Vec<u8>, Report), Fault> {
        let module = Module::load(&self.text).unwrap_or_else(|e| panic!("{e}\n{}", self.text));
        let mut memory = Memory::new();
        let input = memory.alloc(self.input.len(), 16).unwrap();
        memory.write(input, &self.input).unwrap();
        let output = memory.alloc(self.output_bytes, 16).unwrap();
        let launch = Launch {
            grid: self.grid,
            block: self.block,
            dynamic_shared_bytes: self.dynamic_shared_bytes,
            params: vec![input.to_le_bytes().to_vec(), output.to_le_bytes().to_vec()],
            ..Launch::default()
        };
        let report = module.launch(&mut memory, "k", &launch, &self.options)?;
        let mut bytes = vec![0; self.output_bytes];
        memory.read(output, &mut bytes).unwrap();
        Ok((bytes, report))
    }

    /// The output as words.
    pub fn words(&self) -> Vec<u32> {
        let (bytes, _) = self.bytes().unwrap_or_else(|e| panic!("{e}"));
        bytes.chunks_exact(4).map(|c| u32::from_le_bytes(c.try_into().unwrap())).collect()
    }

    /// The fault that the run must end in.
    pub fn fault(&self) -> Fault {
        match self.bytes() {
            Err(fault) => fault,
            Ok(_) => panic!("no fault:\n{}", self.text),
        }
    }
}

/// What a lane is to leave.
pub type Want = fn(u32) -> u32;

/// `%rd0 = %out + 4 * tid.x`
pub const OUT_LANE: &str = "mov.u32 %r60, %tid.x; mul.wide.u32 %rd0, %r60, 4; add.u64 %rd0, %rd0, %out;";

/// Each row is an instruction with its sources, given to registers 1, 2, 3 and 4 of every width, and what it
/// must leave in register 0.
pub fn check_table(rows: &[(&str, &[u64], u64)]) {
    let mut body = String::new();
    for (i, (instruction, sources, _)) in rows.iter().enumerate() {
        for (n, source) in sources.iter().enumerate() {
            let n = n + 1;
            body += &format!(
                "mov.b64 %rd{n}, {}; mov.b32 %r{n}, {}; mov.b16 %h{n}, {};\n",
                *source as i64, *source as u32, *source as u16
            );
        }
        let (before, rest) = instruction.split_once("0").unwrap_or_else(|| panic!("{instruction}"));
        let _ = rest;
        body += &format!("{instruction};\n");
        body += match before.rsplit('%').next().unwrap_or_default() {
            "r" => "cvt.u64.u32 %rd0, %r0;",
            "h" => "cvt.u64.u16 %rd0, %h0;",
            "p" => "selp.b64 %rd0, 1, 0, %p0;",
            _ => "",
        };
        body += &format!("st.global.u64 [%out+{}], %rd0;\n", 8 * i);
    }
    let run = Run::new(&body).output(8 * rows.len());
    let (bytes, _) = run.bytes().unwrap_or_else(|e| panic!("{e}"));
    let mut wrong = Vec::new();
    for ((instruction, sources, want), got) in rows.iter().zip(bytes.chunks_exact(8)) {
        let got = u64::from_le_bytes(got.try_into().unwrap());
        if got != *want {
            wrong.push(format!("{instruction} of {sources:#x?}: {got:#x}, not {want:#x}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
