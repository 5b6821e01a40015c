import RecSource

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A fault of a data file: which file, and what is wrong with it.
package func fileProblem(_ path: String, _ reason: String, help: String? = nil) -> Diagnostic {
    Diagnostic(.fileProblem, "\(path.isEmpty ? "''" : path): \(reason)", at: nil, help: help)
}

/// An error of the system in words of ours where it is a common one.
private func reason(_ error: Int32) -> String {
    switch error {
    case ENOENT: "there is no such file"
    case EACCES: "the file may not be read"
    case EISDIR: "this is a folder"
    default: String(cString: strerror(error))
    }
}

extension TensorStorage {
    /// The bytes of a file, read into memory of this process: whatever happens to the file afterwards, they stay as they were.
    /// A mapped file would end the process where somebody cuts it short.
    static func reading(_ path: String) throws(Diagnostic) -> TensorStorage {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw fileProblem(path, reason(errno)) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw fileProblem(path, reason(errno)) }
        guard status.st_mode & S_IFMT != S_IFDIR else { throw fileProblem(path, "this is a folder") }
        guard status.st_mode & S_IFMT == S_IFREG else { throw fileProblem(path, "this is not a regular file") }
        let count = Int(status.st_size)
        guard count > 0 else { return TensorStorage(bytes: UnsafeRawBufferPointer(start: nil, count: 0)) {} }
        guard count <= PhysicalMemory.bytes, let start = mmap(nil, count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
            start != MAP_FAILED
        else { throw fileProblem(path, "its \(count) bytes do not fit into memory") }
        let storage = TensorStorage(bytes: UnsafeRawBufferPointer(start: start, count: count)) { munmap(start, count) }
        var done = 0
        while done < count {
            let got = pread(descriptor, start + done, count - done, off_t(done))
            if got < 0, errno == EINTR { continue }
            guard got >= 0 else { throw fileProblem(path, reason(errno)) }
            guard got > 0 else { throw fileProblem(path, "the file became shorter while it was read") }
            done += got
        }
        return storage
    }
}

/// Writes a file whole or not at all: into a temporary file beside it, which then takes its name.
///
/// - Parameter isDurable: whether bytes and name are to have reached the disk, so that a loss of power leaves one file or the other.
func writeAtomically(_ parts: [FilePart], to path: String, isDurable: Bool = false) throws(Diagnostic) {
    try writeAtomically(to: path, isDurable: isDurable) { write in for part in parts { try part.withUnsafeBytes { try write($0) } } }
}

func writeAtomically(to path: String, isDurable: Bool = false, _ body: ((UnsafeRawBufferPointer) throws -> Void) throws -> Void) throws(Diagnostic) {
    let temporary = "\(path).\(getpid()).tmp"
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw fileProblem(path, "cannot be written: \(String(cString: strerror(errno)))") }
    func write(_ bytes: UnsafeRawBufferPointer) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let written = Glibc.write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
            if written < 0, errno == EINTR { continue }
            guard written > 0 else { throw fileProblem(path, "cannot be written: \(String(cString: strerror(errno)))") }
            rest = rest.dropFirst(written)
        }
    }
    do {
        try body(write)
        if isDurable, fsync(descriptor) != 0 { throw fileProblem(path, "cannot be written: \(String(cString: strerror(errno)))") }
        close(descriptor)
        guard rename(temporary, path) == 0 else { throw fileProblem(path, "cannot be written: \(String(cString: strerror(errno)))") }
    } catch {
        close(descriptor)
        unlink(temporary)
        throw error as? Diagnostic ?? fileProblem(path, "cannot be written")
    }
    if isDurable { synchronizeFolder(of: path) }
}

/// Has the names of a folder reach the disk. Some file systems cannot; the file itself is whole all the same.
private func synchronizeFolder(of path: String) {
    let folder = path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    fsync(descriptor)
    close(descriptor)
}

extension UnsafeRawBufferPointer {
    /// A little-endian integer at an offset; nil outside the bytes.
    func integer<T: FixedWidthInteger>(at offset: Int, as type: T.Type) -> T? {
        guard offset >= 0, offset <= count - MemoryLayout<T>.size else { return nil }
        return T(littleEndian: loadUnaligned(fromByteOffset: offset, as: T.self))
    }
}

/// The number of elements of a shape; nil where it is too large or a size is negative. A tensor without elements has
/// moderate sizes, too: what is made beside it has them.
package func elementCount(_ shape: [Int]) -> Int? {
    var count = 1
    for size in shape {
        guard size >= 0 else { return nil }
        let (next, overflow) = count.multipliedReportingOverflow(by: max(size, 1))
        guard !overflow, next <= 1 << 48 else { return nil }
        count = next
    }
    guard shape.contains(0) else { return count }
    return count <= 1 << 24 ? 0 : nil
}
