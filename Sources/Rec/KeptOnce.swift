import Synchronization

/// What is made for a key when it is first asked for, and kept. Any number of threads may ask at the same time.
package final class KeptOnce<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    private let known = Mutex<[Key: Value]>([:])

    package init() {}

    /// The value of a key. It is made while others can ask: where two threads make the same, both get that of the first.
    package func value<Problem: Error>(for key: Key, make: () throws(Problem) -> Value) throws(Problem) -> Value {
        if let present = known.withLock({ $0[key] }) { return present }
        let fresh = try make()
        return known.withLock { known in
            let present = known[key] ?? fresh
            known[key] = present
            return present
        }
    }
}
