//! A loaded module: its kernels, decoded, and its variables.

use crate::decode::{self, Fail, Located, Source, variable_align, variable_bytes};
use crate::fault::{Fault, LoadError};
use crate::launch::{self, Launch, Options, Report};
use crate::memory::Memory;
use crate::program::{Inst, Op, Parameter, Program};
use crate::text::Text;
use flashpage_ptx::ast::{Init, Operand, Variable};
use flashpage_ptx::words::Type;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A module that is ready to run.
#[derive(Debug)]
pub struct Module {
    /// Tells this module's variables from another's in one memory.
    id: u64,
    text: Text,
    source: Source,
    kernels: Vec<Kernel>,
    globals: Vec<Global>,
}

/// An entry of the module.
#[derive(Debug)]
struct Kernel {
    name: String,
    /// Among the items of the source.
    number: usize,
    decoded: OnceLock<Result<Program, Broken>>,
}

/// Why an entry cannot run.
#[derive(Debug)]
struct Broken {
    /// The function in which that is.
    function: String,
    error: LoadError,
}

/// Entries that loading tries before it leaves it to their launches to say that they cannot run.
const TRIED: usize = 64;

/// A variable of the module in global or constant memory.
#[derive(Debug)]
struct Global {
    size: usize,
    align: u32,
    /// What it holds at first: as much as `size`, or nothing for zeros.
    bytes: Vec<u8>,
    /// Written before the first launch: constants and what has an initial value; other variables are zero.
    addresses: Vec<Relocation>,
}

/// An address inside a variable's initial value.
#[derive(Debug)]
struct Relocation {
    at: usize,
    bytes: usize,
    of: usize,
    offset: i64,
    /// Only this byte of the address.
    byte: Option<u32>,
}

/// What a launch of an entry needs to know.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Entry<'m> {
    /// Its name.
    pub name: &'m str,
    /// Its parameters, in order.
    pub parameters: &'m [Parameter],
    /// `.reqntid`: the only block it may be launched with.
    pub required_block: Option<[u32; 3]>,
    /// `.maxntid`: the most threads of a block.
    pub max_threads: Option<u32>,
    /// `.reqnctapercluster`
    pub required_cluster: Option<[u32; 3]>,
    /// Shared memory that the module declares for it, in bytes.
    pub static_shared_bytes: u32,
    /// Why it cannot be launched here, if it cannot; then nothing else is known of it.
    pub error: Option<&'m LoadError>,
}

impl Module {
    /// Parses PTX text. An entry is decoded when it is first asked for, with all that it calls: one that cannot run is
    /// refused when it is launched, and keeps no other from running.
    ///
    /// # Errors
    /// The first thing outside of functions that is not PTX or not supported; or, of a module whose entries all cannot
    /// run, what is wrong with the first.
    pub fn load(text: &str) -> Result<Module, LoadError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let (parsed, unread) = flashpage_ptx::parse_apart(text)?;
        let source = Source::new(parsed, unread);
        let text = Text::new(text);
        let refuse = |variable: &Variable, fail| text.explain(variable.line, 0, fail);
        let mut bytes = 0;
        for variable in source.variables() {
            let own = global_bytes(variable).map_err(|fail| refuse(variable, fail))?;
            bytes += own as u64;
            if bytes > LARGEST {
                let message = format!("{bytes} bytes of variables; at most {LARGEST} are possible");
                return Err(refuse(variable, Fail::Invalid(message)));
            }
        }
        let globals = source
            .variables()
            .map(|variable| global(variable, &source).map_err(|fail| refuse(variable, fail)))
            .collect::<Result<Vec<_>, _>>()?;
        let kernels = source
            .entries()
            .map(|(number, f)| Kernel { name: f.name.to_string(), number, decoded: OnceLock::new() })
            .collect();
        let module = Module { id: NEXT.fetch_add(1, Relaxed), text, source, kernels, globals };
        module.need_one()?;
        Ok(module)
    }

    /// An error if it is plain that there is nothing to launch here.
    fn need_one(&self) -> Result<(), LoadError> {
        let mut first = None;
        for kernel in self.kernels.iter().take(TRIED) {
            match self.program(kernel) {
                Ok(_) => return Ok(()),
                Err(broken) => first = first.or(Some(&broken.error)),
            }
        }
        match first {
            Some(error) if self.kernels.len() <= TRIED => Err(error.clone()),
            _ => Ok(()),
        }
    }

    /// A kernel as it runs, decoded where it is asked for the first time.
    fn program<'m>(&'m self, kernel: &'m Kernel) -> Result<&'m Program, &'m Broken> {
        let decode = || {
            // Kernels are made of entries, which are there.
            let Some(entry) = self.source.function(kernel.number) else { return Ok(Program::default()) };
            decode::decode(&self.source, kernel.number, entry).map_err(|located| {
                let Located { line, nth, function, fail } = located;
                Broken { function: function.to_string(), error: self.text.explain(line, nth, fail) }
            })
        };
        kernel.decoded.get_or_init(decode).as_ref()
    }

    /// The names of the kernels, in the order of the text: also of those that cannot run here.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.kernels.iter().map(|kernel| kernel.name.as_str())
    }

    /// The kernels of the module, in the order of the text. Each is decoded when the iterator comes to it.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        self.kernels.iter().map(|kernel| {
            let name = kernel.name.as_str();
            match self.program(kernel) {
                Ok(p) => Entry {
                    name,
                    parameters: &p.parameters,
                    required_block: p.required_block,
                    max_threads: p.max_threads,
                    required_cluster: p.required_cluster,
                    static_shared_bytes: p.shared_bytes,
                    error: None,
                },
                Err(broken) => Entry {
                    name,
                    parameters: &[],
                    required_block: None,
                    max_threads: None,
                    required_cluster: None,
                    static_shared_bytes: 0,
                    error: Some(&broken.error),
                },
            }
        })
    }

    /// Whether a kernel that can run here, or what it calls, has a `griddepcontrol.wait`.
    pub fn waits_for_prerequisites(&self, entry: &str) -> bool {
        let waits = |inst: &Inst| matches!(inst.op, Op::GridDependencyWait);
        let kernel = self.kernels.iter().find(|kernel| kernel.name == entry);
        kernel
            .and_then(|kernel| self.program(kernel).ok())
            .is_some_and(|program| program.code.iter().any(waits))
    }

    /// Runs a kernel to its end.
    ///
    /// The module's variables come into being in `memory` at its first launch there and keep their values from
    /// one launch to the next.
    ///
    /// # Errors
    /// A kernel that cannot run here, a launch that does not fit it, or the first thing that goes wrong while it runs.
    /// Memory then holds what had been written by that time.
    pub fn launch(
        &self,
        memory: &mut Memory,
        entry: &str,
        launch: &Launch,
        options: &Options,
    ) -> Result<Report, Fault> {
        let Some(kernel) = self.kernels.iter().find(|kernel| kernel.name == entry) else {
            let names: Vec<&str> = self.names().collect();
            return Err(Fault::launch(format!(
                "there is no kernel `{entry}`; there is {}",
                names.join(", ")
            )));
        };
        let program = self.program(kernel).map_err(|Broken { function, error }| {
            Fault::launch(match function == entry {
                true => format!("{error}, in `{entry}`"),
                false => format!("{error}, in `{function}`, which `{entry}` reaches"),
            })
        })?;
        let globals = match memory.variables(self.id) {
            Some(addresses) => addresses.clone(),
            None => self.place(memory)?,
        };
        let text_of = |inst: &Inst| self.text.statement(inst.line, inst.nth);
        let name = |fault: &mut Fault| {
            for site in fault.site.iter_mut().chain(&mut fault.other) {
                site.instruction = self.text.statement(site.line, site.nth);
            }
        };
        let mut outcome = launch::launch(program, memory, &globals, launch, options, text_of);
        match &mut outcome {
            Ok(report) => report.findings.iter_mut().for_each(|finding| name(&mut finding.fault)),
            Err(fault) => {
                name(fault);
                fault.findings.iter_mut().for_each(|finding| name(&mut finding.fault));
            }
        }
        outcome
    }

    /// Puts the module's variables into memory.
    fn place(&self, memory: &mut Memory) -> Result<Vec<u64>, Fault> {
        let refuse = |e: crate::memory::MemoryError| Fault::launch(e.to_string());
        let mut addresses = Vec::new();
        for global in &self.globals {
            addresses.push(memory.alloc(global.size, global.align as usize).map_err(refuse)?);
        }
        for (global, address) in self.globals.iter().zip(&addresses) {
            if global.bytes.is_empty() {
                memory.fill(*address, global.size, 0).map_err(refuse)?;
                continue;
            }
            let mut bytes = global.bytes.clone();
            for relocation in &global.addresses {
                let value = addresses[relocation.of].wrapping_add_signed(relocation.offset);
                let value = match relocation.byte {
                    Some(byte) => value >> (8 * byte),
                    None => value,
                };
                let value = value.to_le_bytes();
                bytes[relocation.at..relocation.at + relocation.bytes]
                    .copy_from_slice(&value[..relocation.bytes]);
            }
            memory.write(*address, &bytes).map_err(refuse)?;
        }
        memory.place_variables(self.id, addresses.clone());
        Ok(addresses)
    }
}

/// Bytes of all variables that a module may declare.
const LARGEST: u64 = 1 << 28;

/// The size of a variable.
fn global_bytes(variable: &Variable) -> Result<usize, Fail> {
    let mut declared = variable_bytes(variable);
    if declared.is_none()
        && let Some(Init::List(list)) = &variable.init
    {
        // `x[] = {…}` is as long as its list.
        declared = Some(list.len() as u64 * variable.ty.bytes() as u64 * variable.vector.unwrap_or(1) as u64);
    }
    match declared {
        Some(bytes) if bytes <= LARGEST => Ok(bytes as usize),
        Some(_) => {
            let message = format!("`{}` is too large: at most {LARGEST} bytes are possible", variable.name);
            Err(Fail::Invalid(message))
        }
        None => Ok(0),
    }
}

fn global(variable: &Variable, source: &Source) -> Result<Global, Fail> {
    let size = global_bytes(variable)?;
    let align = variable_align(variable);
    let mut global = Global { size, bytes: Vec::new(), align, addresses: Vec::new() };
    if let Some(init) = &variable.init {
        global.bytes = vec![0; size];
        let mut dims: Vec<u64> = variable.dims.iter().map(|d| d.unwrap_or(0)).collect();
        dims.extend(variable.vector.map(u64::from));
        initialise(&mut global, variable.ty, init, &dims, 0, source)?;
    }
    Ok(global)
}

fn not_initial() -> Fail {
    Fail::Invalid("this cannot be an initial value".to_string())
}

/// Writes an initial value at byte `at`; `dims` are the array dimensions that it may still be nested in.
fn initialise(
    global: &mut Global,
    ty: Type,
    init: &Init,
    dims: &[u64],
    at: usize,
    source: &Source,
) -> Result<(), Fail> {
    let width = ty.bytes() as usize;
    let (operand, byte) = match init {
        Init::List(list) => {
            let inner = dims.get(1..).unwrap_or_default();
            // An inner list begins where its row does; plain numbers follow one another.
            let row = inner.iter().fold(width, |bytes, d| bytes.saturating_mul(*d as usize));
            for (i, element) in list.iter().enumerate() {
                let stride = if matches!(element, Init::List(_)) { row } else { width };
                let at = at.saturating_add(i.saturating_mul(stride));
                initialise(global, ty, element, inner, at, source)?;
            }
            return Ok(());
        }
        Init::Value(operand) => (operand, None),
        Init::MaskedAddress { mask, of } => (of, Some(mask.trailing_zeros() / 8)),
    };
    let Some(slot) = global.bytes.get_mut(at..at.saturating_add(width)) else {
        return Err(Fail::Invalid("more initial values than elements".to_string()));
    };
    let value = match operand {
        // A float in a word of bits is single there, and double in one of 64; halves have no literals (§5.4.2), and
        // a whole number is no float.
        Operand::Int(_) if ty.is_float() => return Err(not_initial()),
        Operand::Int(value) => *value as u64,
        Operand::F32(_) | Operand::F64(_) if !matches!(width, 4 | 8) || ty == Type::F16x2 => {
            return Err(not_initial());
        }
        Operand::F32(bits) if ty == Type::F64 => (f32::from_bits(*bits) as f64).to_bits(),
        Operand::F32(bits) => *bits as u64,
        Operand::F64(bits) if width == 4 => (f64::from_bits(*bits) as f32).to_bits() as u64,
        Operand::F64(bits) => *bits,
        Operand::Symbol { name, .. } if source.addresses.get(name).is_some() => {
            let address = source.addresses.get(name).unwrap_or_default();
            byte.map_or(address, |byte| address >> (8 * byte))
        }
        Operand::Symbol { name, offset, .. } => {
            let Some(of) = source.global(name) else {
                return Err(Fail::Invalid(format!("the address of `{name}` is not known here")));
            };
            let bytes = width.min(8);
            global.addresses.push(Relocation { at, bytes, of, offset: *offset, byte });
            return Ok(());
        }
        _ => return Err(not_initial()),
    };
    let bytes = width.min(8);
    slot[..bytes].copy_from_slice(&value.to_le_bytes()[..bytes]);
    Ok(())
}
