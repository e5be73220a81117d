//! One file's blocks decoded by threads, and taken in the order of the file.
//!
//! ```text
//!   ┌─► decoder 0 ──┐
//!   │       ▼ turn  ├──► taker (the caller's thread)
//!   └── decoder 1 ──┘
//! ```
//!
//! The decoders read the file in turn: whose turn it is reads one block, gives the turn to the next
//! one, and decodes what it has read, which is still in its core's cache. Blocks are taken in the same
//! turn, so their order is kept whatever the threads' speed. Few decoded blocks wait: a slow taker stops
//! the reading, and memory is bounded.

use std::io::Read;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{Builder, Scope};

use crate::Error;
use crate::extract::blocks::{Block, Blocks};
use crate::extract::decode::{Decoded, Decoder};

/// Decoded blocks that wait for the taker, of all decoders together; of each at least one. With fewer the
/// threads take each other's cores more often: a twentieth of the time on two cores.
const WAITING: usize = 8;

/// Decodes `first` and all blocks behind it with as many threads as there are decoders (one at the
/// least), and gives what they held to `take`.
///
/// # Errors
/// The first that `take` or, after all blocks before it were taken, the reading has.
pub(super) fn decode_all<R: Read + Send>(
    blocks: &mut Blocks<R>,
    first: Block,
    decoders: &mut [Decoder],
    take: &mut dyn FnMut(Decoded) -> Result<(), Error>,
) -> Result<(), Error> {
    if blocks.is_at_end() {
        // One block only: threads would take longer to start.
        return decoders.first_mut().map_or(Ok(()), |decoder| take(decoder.decode(&first)));
    }
    std::thread::scope(|scope| {
        let (mut senders, turns): (Vec<_>, Vec<_>) = decoders.iter().map(|_| channel()).unzip();
        let waiting = (WAITING / senders.len().max(1)).max(1);
        // Each gives the turn to the one behind it. The first has a block already.
        senders.rotate_left(1);
        let first_turn = senders.first().cloned();
        let mut first = Some(first);
        let decoded: Vec<_> = decoders
            .iter_mut()
            .zip(turns.into_iter().zip(senders))
            .map(|(decoder, (turns, next))| {
                let (to_taker, decoded) = sync_channel(waiting);
                let thread = DecoderThread { decoder, turns, next, to_taker };
                thread.start(scope, first.take())?;
                Ok(decoded)
            })
            .collect::<Result<_, Error>>()?;
        if let Some(turn) = first_turn {
            let _ = turn.send(blocks);
        }
        // The first of them that has no more is the one whose turn it was when the file ended.
        for results in decoded.iter().cycle() {
            match results.recv() {
                Ok(decoded) => take(decoded?)?,
                Err(_) => break,
            }
        }
        Ok(())
        // When `take` fails `decoded` is dropped, and so the threads end, one after the other.
    })
}

/// A decoder, and its ways to the other threads.
struct DecoderThread<'env, R> {
    decoder: &'env mut Decoder,
    turns: Receiver<&'env mut Blocks<R>>,
    next: Sender<&'env mut Blocks<R>>,
    to_taker: SyncSender<Result<Decoded, Error>>,
}

impl<'env, R: Read + Send> DecoderThread<'env, R> {
    /// Starts it: it decodes `first`, then a block whenever it is its turn.
    fn start<'scope>(
        self,
        scope: &'scope Scope<'scope, 'env>,
        first: Option<Block>,
    ) -> Result<(), Error> {
        let thread = Builder::new().name("decoder".to_owned());
        thread.spawn_scoped(scope, move || self.work(first)).map_err(Error::Threads)?;
        Ok(())
    }

    /// Until the file ends, or whoever it gives to is gone.
    fn work(self, first: Option<Block>) {
        let Self { decoder, turns, next, to_taker } = self;
        let mut memory = Vec::new();
        if let Some(block) = first {
            if to_taker.send(Ok(decoder.decode(&block))).is_err() {
                return;
            }
            memory = block.bytes;
        }
        for blocks in turns {
            let block = match blocks.next(std::mem::take(&mut memory)) {
                Ok(Some(block)) => block,
                Ok(None) => break,
                Err(error) => {
                    let _ = to_taker.send(Err(error));
                    break;
                }
            };
            // One that has ended takes no turn: the taker has failed.
            let _ = next.send(blocks);
            if to_taker.send(Ok(decoder.decode(&block))).is_err() {
                break;
            }
            memory = block.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Cursor};
    use std::path::Path;
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;
    use crate::extract::date::DateFormat;
    use crate::extract::encoding::EncodingChoice;
    use crate::extract::run::first_block;
    use crate::quality::Compression;

    const SLOW: Duration = Duration::from_secs(60);
    const HEADER: &str =
        "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n";

    /// Rows of some ten blocks, numbered from 0.
    fn rows() -> String {
        (0..60_000)
            .map(|row| {
                format!("{row},71053,WHITE METAL LANTERN,6,12/1/2010 8:26,3.39,17850,France\n")
            })
            .collect()
    }

    /// Decodes all that `input` has; the numbers of the rows that were taken, and how it ended.
    fn decode<R: Read + Send>(
        input: R,
        threads: usize,
        taken_at_most: usize,
    ) -> (Vec<String>, Result<(), Error>) {
        let path = Path::new("a.csv");
        let mut blocks =
            Blocks::new(input, path.to_owned(), Compression::None, EncodingChoice::Auto);
        let (first, columns) = first_block(path, &mut blocks).unwrap();
        let mut decoders: Vec<_> =
            (0..threads).map(|number| Decoder::new(number, DateFormat::Auto)).collect();
        decoders.iter_mut().for_each(|decoder| decoder.begin(&columns));
        let (mut numbers, mut taken) = (Vec::new(), 0);
        let ended = decode_all(&mut blocks, first, &mut decoders, &mut |decoded| {
            if taken == taken_at_most {
                return Err(Error::Stopped);
            }
            taken += 1;
            let column = decoded.lines.headers.invoice_no;
            numbers.extend(column.iter().flatten().map(str::to_owned));
            Ok(())
        });
        (numbers, ended)
    }

    /// Fails at once.
    struct Broken;

    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is gone"))
        }
    }

    #[test]
    fn all_before_a_failure_to_read_is_taken_in_order() {
        let text = format!("{HEADER}{}", rows());
        for threads in [1, 2, 3, 7] {
            let input = Cursor::new(text.as_bytes()).chain(Broken);
            let (numbers, ended) = decode(input, threads, usize::MAX);
            let error = ended.unwrap_err().to_string();
            assert!(error.contains("the disk is gone"), "{threads} threads: {error}");
            // But the block that was being read.
            assert!(numbers.len() > 50_000, "{threads} threads: {}", numbers.len());
            let in_order = numbers.iter().enumerate().all(|(at, number)| *number == at.to_string());
            assert!(in_order, "{threads} threads");
        }
    }

    /// Gives rows for ever.
    struct Endless(String, usize);

    impl Read for Endless {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            if self.1 == self.0.len() {
                self.1 = HEADER.len();
            }
            let given = (&self.0.as_bytes()[self.1..]).read(into)?;
            self.1 += given;
            Ok(given)
        }
    }

    #[test]
    fn when_nobody_takes_any_more_all_threads_end() {
        for threads in [1, 2, 3, 7] {
            let (tell, told) = mpsc::channel();
            // On a thread of its own: whoever goes on for ever is found out.
            std::thread::spawn(move || {
                let input = Endless(format!("{HEADER}{}", rows()), 0);
                let _ = tell.send(decode(input, threads, 12).1);
            });
            let ended = told.recv_timeout(SLOW).expect("the threads end");
            assert!(matches!(ended, Err(Error::Stopped)), "{threads} threads: {ended:?}");
        }
    }
}
