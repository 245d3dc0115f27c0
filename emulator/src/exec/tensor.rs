//! placeholder
use super::Result;
use super::block::Env;
use super::bulk::Transfer;
use super::warp::Warp;
use crate::program::{Address, TensorCopy, TensorMapField};
pub(crate) fn plan(_: &Env, _: &mut Warp, _: usize, _: &TensorCopy) -> Result<Transfer> {
    Ok(Transfer::default())
}
pub(crate) fn set_field(_: &Env, _: &mut Warp, _: usize, _: &TensorMapField) -> Result<()> {
    Ok(())
}
pub(crate) fn copy_map(_: &Env, _: &mut Warp, _: usize, _: (Address, Address, u32)) -> Result<()> {
    Ok(())
}
