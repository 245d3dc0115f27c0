//! Which unit of a multiprocessor an instruction keeps busy, how much of a product it is, and how often it goes
//! over shared memory.
//!
//! NVIDIA does not document its machine code; what is known is public all the same: the CUDA C++ programming
//! guide's table of arithmetic throughput names results a cycle by kind of operation, and `nvdisasm` names the
//! instructions. An instruction that is not known here is counted as an issue slot and nothing else.

use super::Instruction;

/// A part of a multiprocessor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
    /// Matrix products.
    Tensor,
    /// Multiplications, additions and fused ones of floats.
    Fma,
    /// Multiplications of integers, and moves that are written as such.
    IntegerMultiply,
    /// Integers, comparisons, selections, minima and maxima, conversions to 16 bits.
    Alu,
    /// Exponentials, logarithms, reciprocals; conversions between integers and floats.
    Special,
    /// Loads, stores, copies, shuffles: of any memory.
    Memory,
    /// Branches, barriers, uniform registers: an issue slot and nothing else.
    Issue,
}

/// The unit that runs an instruction.
pub fn unit(instruction: &Instruction) -> Unit {
    match instruction.base() {
        "HMMA" | "IMMA" | "DMMA" | "BMMA" | "QMMA" | "HGMMA" | "QGMMA" | "IGMMA" | "BGMMA" => Unit::Tensor,
        "FFMA" | "FADD" | "FMUL" | "FFMA32I" | "FADD32I" | "FMUL32I" | "HFMA2" | "HADD2" | "HMUL2"
        | "FSWZADD" => Unit::Fma,
        "IMAD" | "IDP" => Unit::IntegerMultiply,
        "MUFU" | "I2F" | "F2I" | "F2F" | "I2I" | "FRND" | "POPC" | "FLO" | "BREV" | "FCHK" => Unit::Special,
        "LDS" | "LDSM" | "STS" | "STSM" | "LDG" | "STG" | "LDL" | "STL" | "LD" | "ST" | "LDGSTS" | "LDC"
        | "ATOM" | "ATOMS" | "ATOMG" | "RED" | "SHFL" | "MATCH" | "UBLKCP" | "UTMALDG" | "UTMASTG"
        | "UTMAREDG" | "SYNCS" => Unit::Memory,
        "IADD3" | "LOP3" | "SHF" | "LEA" | "ISETP" | "FSETP" | "HSETP2" | "FMNMX" | "IMNMX" | "VIMNMX"
        | "HMNMX2" | "SEL" | "FSEL" | "PRMT" | "MOV" | "F2FP" | "R2P" | "P2R" | "PLOP3" | "VOTE" | "IABS"
        | "SGXT" | "BMSK" | "FSET" | "LEPC" | "VIADD" | "VABSDIFF" | "R2UR" | "CS2R" | "MOVM" | "IADD"
        | "ISCADD" | "SHL" | "SHR" | "LOP" | "REDUX" => Unit::Alu,
        _ => Unit::Issue,
    }
}

/// Multiply-adds of one thread, were they shared out evenly over the threads that run the instruction: `M·N·K` of
/// the tile over 32, or over the 128 of a warpgroup. 0 for what is no product.
pub fn products(instruction: &Instruction) -> f64 {
    let shape = instruction.opcode.split('.').nth(1).unwrap_or_default();
    let mut sides = shape.split('x').map(|side| side.parse::<f64>().unwrap_or(0.0));
    let mut side = || sides.next().unwrap_or(0.0);
    match instruction.base() {
        // HGMMA.64x256x16.F32
        "HGMMA" | "QGMMA" | "IGMMA" | "BGMMA" => side() * side() * side() / 128.0,
        // HMMA.16816.F32: sixteen rows, eight columns, then how deep.
        "HMMA" | "IMMA" | "QMMA" | "BMMA" => {
            match shape.strip_prefix("168").and_then(|k| k.parse::<f64>().ok()) {
                Some(k) => 16.0 * 8.0 * k / 32.0,
                None => 0.0,
            }
        }
        "DMMA" => 8.0 * 8.0 * 4.0 / 32.0,
        _ => 0.0,
    }
}

/// The same in multiply-adds of 16 bits that take tensor cores as long: half as many, of elements of 8 bits.
pub fn tensor_work(instruction: &Instruction) -> f64 {
    let share = if matches!(instruction.base(), "QGMMA" | "QMMA" | "IGMMA" | "IMMA") { 0.5 } else { 1.0 };
    share * products(instruction)
}

/// Passes of 128 bytes over the banks of shared memory that a warp's execution takes at the least, from the width in
/// the instruction's name. What a warpgroup product reads of shared memory is told by its operands: a descriptor for
/// B alone, or two of them.
pub fn shared_passes(instruction: &Instruction) -> f64 {
    let has = |part: &str| instruction.opcode.split('.').any(|p| p == part);
    let by_width = || {
        if has("128") {
            4.0
        } else if has("64") {
            2.0
        } else {
            1.0
        }
    };
    match instruction.base() {
        "LDSM" | "STSM" => {
            if has("4") {
                4.0
            } else if has("2") {
                2.0
            } else {
                1.0
            }
        }
        "LDS" | "STS" | "LDGSTS" => by_width(),
        "SHFL" => 1.0,
        "HGMMA" | "QGMMA" => {
            let shape = instruction.opcode.split('.').nth(1).unwrap_or_default();
            let sides: Vec<f64> = shape.split('x').filter_map(|side| side.parse().ok()).collect();
            let [m, n, k] = sides[..] else { return 0.0 };
            let element = if instruction.base() == "QGMMA" { 1.0 } else { 2.0 };
            // A in registers stands as R12 in place of the first descriptor.
            let descriptors = instruction.operands.matches("gdesc").count();
            let a_in_registers =
                instruction.operands.split(',').nth(1).is_some_and(|a| a.trim().starts_with('R'));
            let a = if a_in_registers || descriptors == 0 { 0.0 } else { m };
            // A warpgroup's, shared out over its four warps.
            (a + n) * k * element / 128.0 / 4.0
        }
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_8_bits_take_half_as_long() {
        for (opcode, share) in [("QGMMA.64x128x32.F32.E4M3.E4M3", 0.5), ("HGMMA.64x128x16.F32", 1.0)] {
            let listing =
                crate::machine_code::Listing::read(&format!("/*0000*/ {opcode} R24, gdesc[UR8], R24 ;"));
            let instruction = &listing.instructions[0];
            assert_eq!(tensor_work(instruction), share * products(instruction), "{opcode}");
        }
    }

    fn parse(text: &str) -> Instruction {
        super::super::instruction(&format!("/*0000*/ {text} ;")).unwrap()
    }

    #[test]
    fn units_products_and_passes() {
        let table: &[(&str, Unit, f64, f64)] = &[
            ("HMMA.16816.F32 R4, R8, R12, R4", Unit::Tensor, 64.0, 0.0),
            ("HMMA.1688.F32.BF16 R4, R8, R12, R4", Unit::Tensor, 32.0, 0.0),
            // 64 x 128 x 16 over 128 threads; B of 128 x 16 halves is 4 KiB, A of 64 x 16 is 2.
            (
                "HGMMA.64x128x16.F32 R24, gdesc[UR8], R24",
                Unit::Tensor,
                1024.0,
                (64.0 + 128.0) * 16.0 * 2.0 / 512.0,
            ),
            ("HGMMA.64x128x16.F32.BF16 R24, R4, gdesc[UR8], R24", Unit::Tensor, 1024.0, 128.0 * 32.0 / 512.0),
            ("QGMMA.64x64x32.F32.E4M3.E4M3 R24, gdesc[UR8], R24", Unit::Tensor, 1024.0, 128.0 * 32.0 / 512.0),
            ("FFMA.FTZ R4, R8, R12, R4", Unit::Fma, 0.0, 0.0),
            ("FMNMX.FTZ R4, R8, R12, !PT", Unit::Alu, 0.0, 0.0),
            ("IMAD.MOV.U32 R4, RZ, RZ, R5", Unit::IntegerMultiply, 0.0, 0.0),
            ("MUFU.EX2 R4, R8", Unit::Special, 0.0, 0.0),
            ("F2FP.BF16.PACK_AB R4, R8, R9", Unit::Alu, 0.0, 0.0),
            ("LDSM.16.M88.4 R4, [R8]", Unit::Memory, 0.0, 4.0),
            ("LDSM.16.MT88.2 R4, [R8]", Unit::Memory, 0.0, 2.0),
            ("LDGSTS.E.BYPASS.LTC128B.128 [R4], [R8.64]", Unit::Memory, 0.0, 4.0),
            ("STS.64 [R4], R8", Unit::Memory, 0.0, 2.0),
            ("SHFL.BFLY PT, R4, R5, 0x1, 0x1f", Unit::Memory, 0.0, 1.0),
            ("BAR.SYNC.DEFER_BLOCKING 0x0", Unit::Issue, 0.0, 0.0),
            ("UIADD3 UR4, UR4, 0x1, URZ", Unit::Issue, 0.0, 0.0),
            ("LATER.THAN.US R1", Unit::Issue, 0.0, 0.0),
        ];
        for (text, expected, macs, passes) in table {
            let instruction = parse(text);
            assert_eq!(
                (unit(&instruction), products(&instruction), shared_passes(&instruction)),
                (*expected, *macs, *passes),
                "{text}"
            );
        }
    }
}
