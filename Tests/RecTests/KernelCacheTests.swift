import Foundation
import RecScheduling
import Synchronization
import TestSupport
import Testing

@testable import Rec
@testable import RecCodeGen

/// Machine code kept on disk: it is found again, never mistaken, and never in the way.
@Suite struct KernelCacheTests {
    private static let source = """
        model M(D, H) {
          input x: [D]
          param W: [H, D]
          param U: [H, H]
          param a: [H]
          state h, g: [H]
          h = tanh(W @ x + U @ h[t-1])
          g = sigmoid(a) * g[t-1] + h
          output g
        }
        """

    private let temporary: TemporaryFolder
    /// Not there before something is kept.
    private var folder: String { temporary.path("kernels") }
    private let cache: KernelCache
    private let model: Model

    init() throws {
        temporary = try TemporaryFolder()
        cache = KernelCache(folder: temporary.path("kernels"))
        model = try Model(Program(text: Self.source), dims: ["D": 3, "H": 5])
    }

    /// Bits of the results, and whether they came from code that was kept.
    private func run(_ cache: KernelCache) throws -> (bits: [UInt64], isHit: Bool) {
        let context = CompileContext(cache: cache, times: PassTimes())
        let results = try model.run(generated(model, batch: 2, extents: [9]), on: .compiled(.f32), context: context)
        let isHit = context.times?.notes.contains { $0.hasPrefix("kernel cache: hit") } ?? false
        #expect(isHit != context.times?.rows.contains { $0.name == "generate code" })
        return ((results.outputs + results.finalStates).flatMap { $0.tensor.doubles().map(\.bitPattern) }, isHit)
    }

    private var files: [String] { ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).map { "\(folder)/\($0)" } }

    @Test func keptCodeGivesTheSameBits() throws {
        let first = try run(cache)
        let second = try run(cache)
        #expect(!first.isHit && second.isHit && first.bits == second.bits)
        #expect(files.count == 1 && files.allSatisfy { $0.hasSuffix(".kernel") })
        let without = try model.run(generated(model, batch: 2, extents: [9]), on: .compiled(.f32))
        #expect((without.outputs + without.finalStates).flatMap { $0.tensor.doubles().map(\.bitPattern) } == first.bits)
    }

    @Test func damagedFilesAreIgnoredAndWrittenAgain() throws {
        let first = try run(cache)
        let path = try #require(files.first)
        let whole = try Data(contentsOf: URL(fileURLWithPath: path))
        var damages: [(String, Data)] = [("empty", Data()), ("foreign", Data("not a kernel at all".utf8)), ("longer", whole + [0])]
        for count in [1, 7, 24, KernelFile.headerBytes, whole.count / 2, whole.count - 1] { damages.append(("torn at \(count)", whole.prefix(count))) }
        for place in [0, 8, 12, 16, 30, 60, KernelFile.headerBytes, whole.count / 2, whole.count - 1] {
            var flipped = whole
            flipped[place] ^= 0x10
            damages.append(("flipped at \(place)", flipped))
        }
        for (what, bytes) in damages {
            // In place, so that the permissions stay.
            try bytes.write(to: URL(fileURLWithPath: path))
            let again = try run(cache)
            #expect(!again.isHit && again.bits == first.bits, "\(what)")
            #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == whole, "\(what)")
        }
        #expect(try run(cache).isHit)
    }

    @Test func onlyTheUsersOwnFilesAreTaken() throws {
        let first = try run(cache)
        let path = try #require(files.first)
        #expect(chmod(path, 0o666) == 0)
        #expect(try run(cache).isHit == false)
        #expect(try run(cache).isHit)
        try FileManager.default.moveItem(atPath: path, toPath: path + ".elsewhere")
        try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: path + ".elsewhere")
        #expect(try run(cache).isHit == false)
        // Code of another plan, whole as it is, under this plan's name.
        let other = KernelKey(bytes: [UInt8](repeating: 7, count: SHA256.byteCount))
        try Data(KernelFile.bytes(of: [1, 2, 3], key: other)).write(to: URL(fileURLWithPath: path))
        let again = try run(cache)
        #expect(!again.isHit && again.bits == first.bits)
    }

    @Test func foldersThatCannotBeUsedAreSurvived() throws {
        let first = try run(cache)
        let file = folder + "-file"
        try Data("a file".utf8).write(to: URL(fileURLWithPath: file))
        for unusable in [KernelCache(folder: "\(file)/kernels"), KernelCache(folder: "/proc/recc")] {
            for _ in 0..<2 {
                let again = try run(unusable)
                #expect(!again.isHit && again.bits == first.bits)
            }
        }
        // A folder in the place of the file.
        let path = try #require(files.first)
        try FileManager.default.removeItem(atPath: path)
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        #expect(try run(cache).bits == first.bits)
        #expect(files == [path], "nothing half done is left")
    }

    /// An object file that is none, though its checksum is right.
    @Test func codeThatCannotBeLinkedIsCompiledAgain() throws {
        let first = try run(cache)
        let key = try #require(try KernelKey(PlanFunctions(model.plan()), precision: .f32))
        cache.store([UInt8](repeating: 0x5A, count: 1000), for: key)
        #expect(cache.object(for: key)?.count == 1000)
        let again = try run(cache)
        #expect(!again.isHit && again.bits == first.bits)
        #expect(try run(cache).isHit)
    }

    @Test func threadsShareAFolder() throws {
        let keys = (0..<4).map { KernelKey(bytes: [UInt8](repeating: UInt8($0), count: SHA256.byteCount)) }
        let wrong = Mutex(0)
        let cache = cache
        DispatchQueue.concurrentPerform(iterations: 8) { thread in
            for turn in 0..<20 {
                let k = (thread + turn) % keys.count
                // Lengths differ from writer to writer: what is read must be all of one of them.
                cache.store([UInt8](repeating: UInt8(k), count: 1000 + 100 * thread), for: keys[k])
                guard let object = cache.object(for: keys[k]), object.allSatisfy({ $0 == k }) else {
                    wrong.withLock { $0 += 1 }
                    continue
                }
            }
        }
        #expect(wrong.withLock { $0 } == 0)
        #expect(files.count == keys.count)
    }

    @Test func theOldestFilesMakeRoom() throws {
        let small = KernelCache(folder: folder, byteLimit: 5 * 1200)
        func key(_ k: UInt8) -> KernelKey { KernelKey(bytes: [UInt8](repeating: k, count: SHA256.byteCount)) }
        for k in 0..<5 {
            small.store([UInt8](repeating: 1, count: 1000), for: key(UInt8(k)))
            // As old as they were written.
            var times = [timespec(tv_sec: 1_000_000 + k, tv_nsec: 0), timespec(tv_sec: 1_000_000 + k, tv_nsec: 0)]
            utimensat(AT_FDCWD, "\(folder)/\(key(UInt8(k)).fileName)", &times, 0)
        }
        // The first is used, so the second is the oldest.
        #expect(small.object(for: key(0)) != nil)
        small.store([UInt8](repeating: 1, count: 1000), for: key(9))
        #expect(small.object(for: key(1)) == nil)
        for k in [0, 2, 3, 4, 9] as [UInt8] { #expect(small.object(for: key(k)) != nil, "\(k)") }
        small.store([UInt8](repeating: 1, count: 5 * 1200), for: key(10))
        #expect(small.object(for: key(10)) == nil, "what is larger than the whole cache is not kept")
        #expect(files.count == 5)
    }

    @Test func keysTellPlansApart() throws {
        func key(_ dims: [String: Int], _ precision: Precision = .f32, _ forms: [String: PlanForm] = [:]) throws -> [UInt8] {
            let model = try Model(Program(text: Self.source), dims: dims)
            return try #require(try KernelKey(PlanFunctions(model.plan(forcing: forms)), precision: precision)).bytes
        }
        let dims = ["D": 3, "H": 5]
        let keys = try [key(dims), key(dims, .f64), key(["D": 4, "H": 5]), key(["D": 3, "H": 6]), key(dims, .f32, ["g": .scan])]
        #expect(Set(keys).count == keys.count)
        #expect(try key(dims) == keys[0])
        let changed = try Model(Program(text: Self.source.replacing("sigmoid(a)", with: "tanh(a)")), dims: dims)
        #expect(try KernelKey(PlanFunctions(changed.plan()), precision: .f32)?.bytes != keys[0])
        #expect(try KernelKey(PlanFunctions(Model(Program(text: Self.source), dims: dims).plan()), precision: .f32, effort: .quick)?.bytes != keys[0])
        // Names of places in the source are no part of the code.
        let moved = try Model(Program(text: "// a remark\n\n" + Self.source), dims: dims)
        #expect(try KernelKey(PlanFunctions(moved.plan()), precision: .f32)?.bytes == keys[0])
    }

    @Test func theUsersCacheCanBeTurnedOff() {
        #expect(KernelCache.user(["RECC_CACHE": "off", "HOME": "/home/me"]) == nil)
        #expect(KernelCache.user(["HOME": "/home/me"])?.folder == "/home/me/.cache/recc/kernels")
        #expect(KernelCache.user(["HOME": "/home/me", "XDG_CACHE_HOME": "/tmp/x"])?.folder == "/tmp/x/recc/kernels")
        #expect(KernelCache.user(["HOME": "/home/me", "XDG_CACHE_HOME": "relative"])?.folder == "/home/me/.cache/recc/kernels")
    }
}
