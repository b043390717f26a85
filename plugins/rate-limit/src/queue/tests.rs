use std::pin::Pin;

use tokio::task::JoinSet;
use tokio::time::{advance, timeout};

use super::*;

type Turn = Pin<Box<dyn Future<Output = Result<(), Duration>> + Send>>;

/// When the next cell is free.
struct Cells(Mutex<Instant>);

/// A cell each second, the first half a second from the start.
struct World {
    queue: Arc<Queue>,
    cells: Arc<Cells>,
    began: Instant,
}

impl Cells {
    fn take(&self) -> Result<(), Duration> {
        let (mut next, now) = (self.0.lock().unwrap(), Instant::now());
        if now < *next {
            return Err(*next - now);
        }
        *next += PACE;
        Ok(())
    }
}

impl World {
    fn new(wait: Duration) -> Self {
        let began = Instant::now();
        let cells = Arc::new(Cells(Mutex::new(began + PACE / 2)));
        Self { queue: Arc::new(Queue::new(wait, PACE)), cells, began }
    }

    fn enter(&self, tenant: &str) -> Result<Option<Place>, Duration> {
        let entry = self.queue.enter(&TenantName::new(tenant), || self.cells.take())?;
        Ok(match entry {
            Entry::Free => None,
            Entry::Waits(place) => Some(place),
        })
    }

    /// The turn of one that must wait.
    fn wait(&self) -> Turn {
        let (place, cells) = (self.enter("acme").unwrap().unwrap(), Arc::clone(&self.cells));
        Box::pin(place.turn(move || cells.take()))
    }

    /// The number of each turn as it is over, whether it went, and in which second.
    async fn watch(&self, turns: impl IntoIterator<Item = Turn>) -> Vec<(usize, bool, u64)> {
        let (mut tasks, began) = (JoinSet::new(), self.began);
        for (number, turn) in turns.into_iter().enumerate() {
            tasks.spawn(async move { (number, turn.await.is_ok(), began.elapsed().as_secs()) });
        }
        let mut seen = Vec::new();
        while let Some(turn) = tasks.join_next().await {
            seen.push(turn.unwrap());
        }
        seen
    }
}

#[tokio::test(start_paused = true)]
async fn those_that_wait_go_one_after_the_other_in_their_order() {
    let world = World::new(10 * PACE);

    let turns: Vec<_> = (0..5).map(|_| world.wait()).collect();
    let seen = world.watch(turns).await;

    assert_eq!(seen, [(0, true, 0), (1, true, 1), (2, true, 2), (3, true, 3), (4, true, 4)]);
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_would_come_too_late_is_not_waited_for() {
    let world = World::new(3 * PACE);

    let turns: Vec<_> = (0..3).map(|_| world.wait()).collect();
    let refused = world.enter("acme").err();
    let other = world.enter("globex").is_ok();
    let seen = world.watch(turns).await;

    assert_eq!((refused, other), (Some(Duration::from_millis(3500)), true));
    assert_eq!(seen, [(0, true, 0), (1, true, 1), (2, true, 2)]);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_longer_though_cells_come_later_than_expected() {
    let world = World::new(3 * PACE);
    let early = world.wait();
    advance(PACE).await;
    let late = world.wait();
    *world.cells.0.lock().unwrap() = world.began + Duration::from_millis(3500);

    // The second one is in front: what the first one waited for before took too long.
    let seen = world.watch([late, early]).await;

    assert_eq!(seen, [(1, false, 3), (0, true, 3)]);
}

#[tokio::test(start_paused = true)]
async fn the_first_gives_up_when_its_cell_comes_too_late() {
    let world = World::new(3 * PACE);
    let turn = world.wait();
    *world.cells.0.lock().unwrap() = world.began + 4 * PACE;

    let refused = turn.await;

    assert_eq!(refused, Err(4 * PACE));
    assert!(world.began.elapsed() < PACE, "it does not wait for nothing");
}

#[tokio::test(start_paused = true)]
async fn who_leaves_gives_the_turn_back() {
    let world = World::new(3 * PACE);
    let mut first = world.wait();
    assert!(timeout(PACE / 100, &mut first).await.is_err());
    let (second, third) = (world.wait(), world.wait());
    let full = world.enter("acme").is_err();

    drop(first);
    drop(third);
    let seen = world.watch([second, world.wait(), world.wait()]).await;

    assert!(full);
    assert_eq!(seen, [(0, true, 0), (1, true, 1), (2, true, 2)]);
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_does_not_overtake_one_whose_turn_has_come() {
    let world = World::new(3 * PACE);
    let mut first = world.wait();
    assert!(timeout(Duration::ZERO, &mut first).await.is_err());

    // The cell is free, but the first does not know yet.
    advance(Duration::from_millis(600)).await;
    let mut newcomer = world.wait();
    let overtook = timeout(Duration::ZERO, &mut newcomer).await.is_ok();
    let turns = (first.await, world.began.elapsed().as_secs(), newcomer.await);

    assert!(!overtook);
    assert_eq!(turns, (Ok(()), 0, Ok(())));
    assert_eq!(world.began.elapsed().as_secs(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_line_is_forgotten_when_the_last_has_left() {
    let world = World::new(3 * PACE);
    let (first, second) = (world.wait(), world.wait());

    let lines = world.queue.lines().len();
    drop(first);
    let turn = second.await;

    assert_eq!((lines, turn), (1, Ok(())));
    assert!(world.queue.lines().is_empty());
    advance(PACE).await;
    assert!(world.enter("acme").unwrap().is_none(), "nobody waits, and the cell is free");
}

const PACE: Duration = Duration::from_secs(1);
