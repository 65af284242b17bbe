//! Who holds how many connections.
//!
//! A seat is refused to a client that has as many as one may have, or that would hold more than it leaves to everybody
//! else. So one client takes half of the seats at most, the next half of what is left, and however many users work
//! together, the next one to come still finds a seat. The superuser finds one even then: some are kept for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Seats beyond all others that only the superuser may take: who has to find out what is going on gets an answer.
pub const SEATS_OF_ROOT: usize = 32;

/// Whose connections count together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Client {
    /// A user, as the kernel tells it.
    User(u32),
    /// Everybody on TCP, of whom nothing is known.
    Loopback,
    /// Whoever scrapes metrics, so that a crowd at the API doesn't blind those who should see it.
    Scraper,
}

impl Client {
    const ROOT: Self = Self::User(0);
}

/// Counts connections.
#[derive(Debug)]
pub struct Census {
    most: usize,
    most_of_one: usize,
    open: Mutex<HashMap<Client, usize>>,
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
    pub fn enter(census: &Arc<Self>, client: Client) -> Result<Seat, Crowded> {
        let mut open = census.open.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = if client == Client::ROOT { SEATS_OF_ROOT } else { 0 };
        let free = (census.most + kept).saturating_sub(open.values().sum());
        if free == 0 {
            return Err(Crowded::All);
        }
        let own = open.get(&client).copied().unwrap_or_default();
        if own >= census.most_of_one.min(free) {
            return Err(Crowded::Client);
        }
        open.insert(client, own + 1);
        Ok(Seat { census: Arc::clone(census), client })
    }
}

/// One connection that is counted.
#[derive(Debug)]
pub struct Seat {
    census: Arc<Census>,
    client: Client,
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

    /// As many seats as a client gets.
    fn fill(census: &Arc<Census>, client: Client) -> (Vec<Seat>, Crowded) {
        let mut seats = Vec::new();
        loop {
            match Census::enter(census, client) {
                Ok(seat) => seats.push(seat),
                Err(why) => return (seats, why),
            }
        }
    }

    #[test]
    fn one_client_never_takes_all_seats() {
        let census = Arc::new(Census::new(100, 30));
        let (mut first, why) = fill(&census, Client::User(1));
        assert_eq!((first.len(), why), (30, Crowded::Client));
        assert_eq!(fill(&census, Client::Loopback).0.len(), 30, "and they are free again");
        first.truncate(29);
        assert!(Census::enter(&census, Client::User(1)).is_ok());
        drop(first);
        assert_eq!(census.all(), 0);
    }

    #[test]
    fn users_who_work_together_leave_a_seat_for_the_next() {
        let census = Arc::new(Census::new(2048, 2048));
        let mut taken = Vec::new();
        for user in 1..=10 {
            let (seats, why) = fill(&census, Client::User(user));
            assert_eq!((seats.len(), why), (2048 >> user, Crowded::Client), "half of what was left");
            taken.push(seats);
        }
        assert!(Census::enter(&census, Client::Scraper).is_ok());
    }

    #[test]
    fn the_superuser_finds_a_seat_when_all_are_taken() {
        let census = Arc::new(Census::new(2, 2));
        let _taken = [1, 2].map(|user| Census::enter(&census, Client::User(user)).unwrap());
        assert_eq!(Census::enter(&census, Client::User(3)).err(), Some(Crowded::All));
        let (of_root, why) = fill(&census, Client::ROOT);
        assert_eq!((of_root.len(), why), (2, Crowded::Client));
        assert_eq!(fill(&census, Client::Loopback).1, Crowded::All);
    }
}
