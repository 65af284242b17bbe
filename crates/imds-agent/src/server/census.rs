//! Who holds how many connections.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Counts connections.
#[derive(Debug)]
pub struct Census {
    most: usize,
    most_of_one: usize,
    /// By user; those of whom nothing is known are one together.
    open: Mutex<HashMap<Option<u32>, usize>>,
}

/// Why there is no seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crowded {
    /// All are taken.
    All,
    /// This client has as many as it may.
    Client,
}

impl Census {
    /// Room for so many, and for so many of one client.
    #[must_use]
    pub fn new(most: usize, most_of_one: usize) -> Self {
        Self { most, most_of_one, open: Mutex::default() }
    }

    /// How many there are.
    #[must_use]
    pub fn all(&self) -> usize {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }

    /// A seat for a client, held until it is dropped.
    ///
    /// # Errors
    /// Why there is none.
    pub fn enter(census: &Arc<Self>, client: Option<u32>) -> Result<Seat, Crowded> {
        let mut open = census.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.values().sum::<usize>() >= census.most {
            return Err(Crowded::All);
        }
        let own = open.entry(client).or_default();
        if *own >= census.most_of_one {
            return Err(Crowded::Client);
        }
        *own += 1;
        Ok(Seat { census: Arc::clone(census), client })
    }
}

/// One connection that is counted.
#[derive(Debug)]
pub struct Seat {
    census: Arc<Census>,
    client: Option<u32>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut open = self.census.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = open.get_mut(&self.client) {
            *own = own.saturating_sub(1);
            // Users come and go; who has gone needs no entry.
            if *own == 0 {
                open.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_client_never_takes_all_seats() {
        let census = Arc::new(Census::new(3, 2));
        let enter = |client| Census::enter(&census, client);
        let (first, _second) = (enter(Some(1)).unwrap(), enter(Some(1)).unwrap());
        assert_eq!(enter(Some(1)).err(), Some(Crowded::Client));
        let stranger = enter(None).unwrap();
        assert_eq!((enter(Some(2)).err(), census.all()), (Some(Crowded::All), 3));
        drop(stranger);
        let _other = enter(Some(2)).unwrap();
        drop(first);
        assert!(enter(Some(1)).is_ok());
    }
}
