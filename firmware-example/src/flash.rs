//! Flash for data: a file on the emulator's host, with the manners of a NOR flash.

use embassy_time::Timer;
use embedded_storage_async::nor_flash::{ErrorType, NorFlash, NorFlashErrorKind, ReadNorFlash};
use semihosting::fs::File;
use semihosting::io::{Read, Seek, SeekFrom, Write};
use sequential_storage::cache::{Cache, Uncached};
use sequential_storage::map::{MapConfig, MapStorage};

/// A few small values by number, in the first [`MAP_BYTES`]: what is stored is there after a power cut, or what was before it.
pub type Map = MapStorage<u8, Flash, Cache<Uncached, Uncached, Uncached, u8>>;

/// Two sectors: one is erased while the other has what is valid.
pub const MAP_BYTES: u32 = 8192;

/// Opens the flash and the map in it.
pub fn map() -> Map {
    MapStorage::new(Flash::open(), const { MapConfig::new(0..MAP_BYTES) }, Cache::new_uncached())
}

/// `flash` in the emulator's folder, which `cargo firmware` makes.
pub struct Flash {
    file: File,
    size: usize,
}

impl Flash {
    /// Opens it.
    pub fn open() -> Self {
        let file = defmt::unwrap!(File::options().read(true).write(true).open(c"flash").ok(), "a file `flash`");
        let size = defmt::unwrap!(file.metadata().ok()).len() as usize;
        Flash { file, size }
    }

    fn at(&self, offset: u32) -> Result<&File, NorFlashErrorKind> {
        let mut file = &self.file;
        file.seek(SeekFrom::Start(offset.into())).map_err(|_| NorFlashErrorKind::Other)?;
        Ok(file)
    }

    fn check(&self, offset: u32, length: usize, align: usize) -> Result<(), NorFlashErrorKind> {
        let offset = offset as usize;
        match offset.is_multiple_of(align) && length.is_multiple_of(align) {
            false => Err(NorFlashErrorKind::NotAligned),
            true if length > self.size || offset > self.size - length => Err(NorFlashErrorKind::OutOfBounds),
            true => Ok(()),
        }
    }
}

impl ErrorType for Flash {
    type Error = NorFlashErrorKind;
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = 1;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NorFlashErrorKind> {
        self.check(offset, bytes.len(), Self::READ_SIZE)?;
        self.at(offset)?.read_exact(bytes).map_err(|_| NorFlashErrorKind::Other)
    }

    fn capacity(&self) -> usize {
        self.size
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = 4096;

    /// Takes time, as flash does.
    async fn erase(&mut self, from: u32, to: u32) -> Result<(), NorFlashErrorKind> {
        self.check(from, to.saturating_sub(from) as usize, Self::ERASE_SIZE)?;
        for sector in (from..to).step_by(Self::ERASE_SIZE) {
            for part in (sector..sector + Self::ERASE_SIZE as u32).step_by(256) {
                self.at(part)?.write_all(&[0xff; 256]).map_err(|_| NorFlashErrorKind::Other)?;
            }
            Timer::after_millis(5).await;
        }
        Ok(())
    }

    /// Bits only become 0 by it.
    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NorFlashErrorKind> {
        self.check(offset, bytes.len(), Self::WRITE_SIZE)?;
        for (offset, part) in (offset..).step_by(256).zip(bytes.chunks(256)) {
            let mut cells = [0; 256];
            let cells = &mut cells[..part.len()];
            self.read(offset, cells).await?;
            cells.iter_mut().zip(part).for_each(|(cell, byte)| *cell &= byte);
            self.at(offset)?.write_all(cells).map_err(|_| NorFlashErrorKind::Other)?;
        }
        Ok(())
    }
}
