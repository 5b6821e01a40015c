import Foundation

/// Machine code kept on disk, so that a program which was compiled once starts without compiling.
///
/// Nothing that goes wrong here fails a compilation: what cannot be read is compiled, what cannot be written is not kept.
/// Processes may share a folder, as files appear whole or not at all. As what is read will be run, only files that belong
/// to the user and that nobody else may write are taken.
public struct KernelCache: Sendable {
    static let suffix = ".kernel"
    private static let temporarySuffix = ".part"
    /// A temporary file that is older was left by a process that ended too early.
    private static let longestWriting = 3600
    /// No kernel is as large.
    private static let largestFile = 64 << 20

    /// Where the files lie.
    public let folder: String
    /// Bytes of all files together; beyond it go those that were not used for longest.
    public let byteLimit: Int

    /// A cache of one's own; the folder is made when something is kept.
    public init(folder: String, byteLimit: Int = 256 << 20) {
        self.folder = folder.isEmpty ? "." : folder
        self.byteLimit = byteLimit
    }

    /// The user's own, in `$XDG_CACHE_HOME/recc/kernels` or `~/.cache/recc/kernels`; nil where `RECC_CACHE` is `off`.
    public static func user() -> KernelCache? { user(ProcessInfo.processInfo.environment) }

    /// The same under these variables of the environment.
    package static func user(_ environment: [String: String]) -> KernelCache? {
        environment["RECC_CACHE"] == "off" ? nil : KernelCache(folder: "\(CacheFolder.path(environment))/kernels")
    }

    /// The object file that was kept under a key.
    func object(for key: KernelKey) -> [UInt8]? {
        guard let bytes = read("\(folder)/\(key.fileName)") else { return nil }
        return KernelFile.object(in: bytes, key: key)
    }

    private func read(_ path: String) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_uid == geteuid(),
            status.st_mode & 0o022 == 0, (0...Self.largestFile).contains(Int(status.st_size))
        else { return nil }
        let size = Int(status.st_size)
        let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
            while count < size, let base = buffer.baseAddress {
                let got = Foundation.read(descriptor, base + count, size - count)
                if got < 0, errno == EINTR { continue }
                guard got > 0 else { break }
                count += got
            }
        }
        // Used files live longer.
        futimens(descriptor, nil)
        return bytes
    }

    /// Keeps an object file under a key.
    func store(_ object: [UInt8], for key: KernelKey) {
        let bytes = KernelFile.bytes(of: object, key: key)
        guard bytes.count <= min(byteLimit, Self.largestFile) else { return }
        try? FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        let temporary = "\(folder)/\(UUID().uuidString)\(Self.temporarySuffix)"
        guard write(bytes, to: temporary), rename(temporary, "\(folder)/\(key.fileName)") == 0 else {
            unlink(temporary)
            return
        }
        removeOldest()
    }

    private func write(_ bytes: [UInt8], to path: String) -> Bool {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { return false }
        let isWhole = bytes.withUnsafeBytes { bytes in
            var done = 0
            while done < bytes.count, let base = bytes.baseAddress {
                let count = Foundation.write(descriptor, base + done, bytes.count - done)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { return false }
                done += count
            }
            return true
        }
        // Some file systems report only here that there was no room.
        return close(descriptor) == 0 && isWhole
    }

    /// Removes what was not used for longest until the rest keeps the limit, and what others left unfinished.
    private func removeOldest() {
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: folder) else { return }
        var files: [(path: String, bytes: Int, used: timespec)] = []
        var total = 0
        let now = time(nil)
        for name in names {
            let path = "\(folder)/\(name)"
            var status = stat()
            guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { continue }
            if name.hasSuffix(Self.temporarySuffix), now - status.st_mtim.tv_sec > Self.longestWriting {
                unlink(path)
            } else if name.hasSuffix(Self.suffix) {
                files.append((path, Int(status.st_size), status.st_mtim))
                total += Int(status.st_size)
            }
        }
        guard total > byteLimit else { return }
        files.sort { ($0.used.tv_sec, $0.used.tv_nsec, $0.path) < ($1.used.tv_sec, $1.used.tv_nsec, $1.path) }
        for file in files {
            if total <= byteLimit { break }
            unlink(file.path)
            total -= file.bytes
        }
    }
}
