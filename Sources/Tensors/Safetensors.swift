import RecSource

/// The format of the safetensors library: a length, a JSON header, the bytes of the tensors.
enum Safetensors {
    private static let names: [(TensorType, String)] = [
        (.f64, "F64"), (.f32, "F32"), (.f16, "F16"), (.bf16, "BF16"), (.i64, "I64"), (.i32, "I32"), (.u8, "U8"), (.bool, "BOOL"),
    ]
    /// The library's own limit on a header.
    private static let longestHeader = 100_000_000

    static func read(_ storage: TensorStorage, path: String) throws(Diagnostic) -> TensorArchive {
        let bytes = storage.bytes
        guard let length = bytes.integer(at: 0, as: UInt64.self) else { throw fileProblem(path, "the file is too short for a header") }
        guard length <= longestHeader, Int(length) <= bytes.count - 8 else {
            throw fileProblem(path, "the header claims \(length) bytes, and the file has \(bytes.count)")
        }
        let start = 8 + Int(length)
        let json: Json
        do { json = try JsonReader.read(UnsafeRawBufferPointer(rebasing: bytes[8..<start])) } catch {
            throw fileProblem(path, "the header is no JSON: \(error.reason) at byte \(error.offset)")
        }
        guard case .object(let header) = json else { throw fileProblem(path, "the header is not a JSON object") }
        var archive = TensorArchive()
        var places: [(range: Range<Int>, tensor: NamedTensor)] = []
        for (name, entry) in header {
            if name == "__metadata__" {
                guard case .object(let fields) = entry else { throw fileProblem(path, "__metadata__ is not a JSON object") }
                for (key, value) in fields { archive.metadata[key] = value.text }
                continue
            }
            places.append(try tensor(name, entry, storage, start: start, path: path))
        }
        places.sort { ($0.range.lowerBound, $0.range.upperBound, $0.tensor.name) < ($1.range.lowerBound, $1.range.upperBound, $1.tensor.name) }
        for (a, b) in zip(places, places.dropFirst()) where a.range.upperBound > b.range.lowerBound && !a.range.isEmpty && !b.range.isEmpty {
            throw fileProblem(path, "the tensors '\(a.tensor.name)' and '\(b.tensor.name)' overlap")
        }
        archive.tensors = places.map(\.tensor)
        return archive
    }

    private static func tensor(
        _ name: String, _ entry: Json, _ storage: TensorStorage, start: Int, path: String
    ) throws(Diagnostic) -> (range: Range<Int>, tensor: NamedTensor) {
        guard let kind = entry["dtype"]?.text, let shape = entry["shape"], let offsets = entry["data_offsets"] else {
            throw fileProblem(path, "the entry of '\(name)' lacks dtype, shape or data_offsets")
        }
        guard let type = names.first(where: { $0.1 == kind })?.0 else {
            throw fileProblem(path, "'\(name)' holds \(kind), which is not supported", help: "supported are \(names.map(\.1).joined(separator: ", "))")
        }
        guard let sizes = shape.wholes, sizes.count <= 16, let count = elementCount(sizes) else {
            throw fileProblem(path, "'\(name)' has an impossible shape")
        }
        guard let ends = offsets.wholes, ends.count == 2, ends[0] >= 0, ends[0] <= ends[1], ends[1] <= storage.bytes.count - start else {
            throw fileProblem(path, "the bytes of '\(name)' do not lie within the file")
        }
        guard ends[1] - ends[0] == count * type.byteCount else {
            throw fileProblem(path, "'\(name)' \(sizes) of \(kind) needs \(count * type.byteCount) bytes, and has \(ends[1] - ends[0])")
        }
        let tensor = Tensor(type: type, shape: sizes, within: storage, byteOffset: start + ends[0])
        return (ends[0]..<ends[1], NamedTensor(name: name, tensor: tensor))
    }

    static func encoded(_ archive: TensorArchive) -> [FilePart] {
        var entries: [String] = []
        if !archive.metadata.isEmpty {
            let fields = archive.metadata.sorted { $0.key < $1.key }.map { "\(quoted($0.key)):\(quoted($0.value))" }
            entries.append("\"__metadata__\":{\(fields.joined(separator: ","))}")
        }
        var offset = 0
        for item in archive.tensors {
            let kind = names.first { $0.0 == item.tensor.type }?.1 ?? "F32"
            let end = offset + item.tensor.byteCount
            let shape = item.tensor.shape.map(String.init).joined(separator: ",")
            entries.append("\(quoted(item.name)):{\"dtype\":\"\(kind)\",\"shape\":[\(shape)],\"data_offsets\":[\(offset),\(end)]}")
            offset = end
        }
        var header = Array("{\(entries.joined(separator: ","))}".utf8)
        while header.count % 8 != 0 { header.append(UInt8(ascii: " ")) }
        var bytes: [UInt8] = []
        withUnsafeBytes(of: UInt64(header.count).littleEndian) { bytes += $0 }
        bytes += header
        return [.bytes(bytes)] + archive.tensors.map { .tensor($0.tensor) }
    }

    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            default:
                if scalar.value < 0x20 {
                    let digits = String(scalar.value, radix: 16)
                    result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
                } else {
                    result.unicodeScalars.append(scalar)
                }
            }
        }
        return result + "\""
    }
}
