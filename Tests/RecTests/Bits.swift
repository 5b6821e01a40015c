import Foundation
@testable import Rec

/// Whether two tensors have the same numbers bit for bit. Far faster than comparing elements in a debug build.
func haveSameBits(_ a: Tensor, _ b: Tensor) -> Bool {
    a.shape == b.shape && a.withUnsafeBytes { x in
        b.withUnsafeBytes { y in
            guard let first = x.baseAddress, let second = y.baseAddress, x.count == y.count else { return x.count == y.count }
            return memcmp(first, second, x.count) == 0
        }
    }
}
