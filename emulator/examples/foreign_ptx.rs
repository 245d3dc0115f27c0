//! Runs PTX that another compiler wrote: Triton's vector addition, from the tests' collection, or any file with the
//! same parameters.
//!
//! `cargo run --release -p flashpage-emulator --example foreign_ptx [FILE.ptx]`

use flashpage_emulator::{AsyncPolicy, Launch, Memory, Module, Options, Sanitize, WarpOrder};
use std::error::Error;
use std::path::PathBuf;

/// `o[i] = x[i] + y[i]` for `i < N`.
const N: usize = 1000;

fn main() -> Result<(), Box<dyn Error>> {
    let ours = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/oracle/cases/vector_add_sm80/kernel.ptx");
    let path = std::env::args().nth(1).map_or_else(|| PathBuf::from(ours), PathBuf::from);
    let text = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;

    // Loading parses and decodes everything: what the emulator does not run is an error now, with its line.
    let module = Module::load(&text)?;
    for entry in module.entries() {
        let parameters: Vec<String> =
            entry.parameters.iter().map(|p| format!("{} ({} bytes)", p.name, p.bytes)).collect();
        println!("{}: {}", entry.name, parameters.join(", "));
    }
    let entry = module.entries().next().ok_or("there is no kernel in it")?;

    // Device memory is a space of its own; buffers that nobody wrote are garbage.
    let mut memory = Memory::new();
    let x: Vec<f32> = (0..N).map(|i| i as f32).collect();
    let y: Vec<f32> = (0..N).map(|i| 0.5 * i as f32).collect();
    let mut upload = |values: &[f32]| {
        let address = memory.alloc(4 * values.len(), 16)?;
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        memory.write(address, &bytes)?;
        Ok::<u64, Box<dyn Error>>(address)
    };
    let (x_at, y_at, o_at) = (upload(&x)?, upload(&y)?, upload(&vec![f32::NAN; N])?);

    // Parameters are bytes, in the entry's order. Triton adds two pointers to scratch memory at the end.
    let mut params =
        vec![x_at.to_le_bytes().to_vec(), y_at.to_le_bytes().to_vec(), o_at.to_le_bytes().to_vec()];
    params.push((N as u32).to_le_bytes().to_vec());
    params.resize(entry.parameters.len().max(4), 0u64.to_le_bytes().to_vec());
    let block = entry.required_block.unwrap_or([128, 1, 1]);
    // More blocks than any block size needs: those past the end do nothing.
    let launch = Launch { grid: [N as u32, 1, 1], block, params, ..Launch::default() };

    // As late as possible, in an order drawn from a seed, with every sanitizer on, counting what it does.
    let options = Options {
        policy: AsyncPolicy::Lazy,
        warp_order: WarpOrder::Random(1),
        sanitize: Sanitize::USUAL,
        profile: true,
        ..Options::default()
    };
    let report = module.launch(&mut memory, entry.name, &launch, &options)?;

    let mut bytes = vec![0; 4 * N];
    memory.read(o_at, &mut bytes)?;
    let o: Vec<f32> = bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    let wrong = (0..N).filter(|i| o[*i] != x[*i] + y[*i]).count();
    if let Some(profile) = &report.profile {
        print!("{profile}");
    }
    match wrong {
        0 => println!("all {N} sums are right"),
        _ => return Err(format!("{wrong} of {N} sums are wrong").into()),
    }
    Ok(())
}
