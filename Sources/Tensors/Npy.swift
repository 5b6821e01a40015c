import RecSource

/// NumPy's format for one array: a header that is a Python dictionary, and the bytes.
enum Npy {
    private static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)

    static func read(_ storage: TensorStorage, path: String) throws(Diagnostic) -> Tensor {
        let bytes = storage.bytes
        guard bytes.count >= 10, bytes.prefix(6).elementsEqual(magic) else { throw fileProblem(path, "this is no .npy file") }
        let start: Int
        let length: Int
        switch bytes[6] {
        case 1:
            (start, length) = (10, Int(bytes.integer(at: 8, as: UInt16.self) ?? 0))
        case 2, 3:
            (start, length) = (12, Int(bytes.integer(at: 8, as: UInt32.self) ?? 0))
        default:
            throw fileProblem(path, "version \(bytes[6]) of the format is not known")
        }
        guard start + length <= bytes.count else { throw fileProblem(path, "the header is longer than the file") }
        let header = String(decoding: bytes[start..<start + length], as: UTF8.self)
        guard let description = field("descr", of: header), let order = field("fortran_order", of: header),
            let shapeText = field("shape", of: header)
        else { throw fileProblem(path, "the header lacks descr, fortran_order or shape") }
        var shape: [Int] = []
        for part in shapeText.split(separator: ",") {
            let number = part.filter { !$0.isWhitespace }
            if number.isEmpty { continue }
            guard let size = Int(number) else { throw fileProblem(path, "the shape (\(shapeText)) is none") }
            shape.append(size)
        }
        guard shape.count <= 16, let count = elementCount(shape) else { throw fileProblem(path, "the shape (\(shapeText)) is impossible") }
        let code = description.filter { $0 != "'" && $0 != "\"" && !$0.isWhitespace }
        guard let (type, width) = type(of: String(code.drop { "<>|=".contains($0) })) else {
            throw fileProblem(path, "elements of type \(code) are not supported", help: "supported are f8 f4 f2 i8 i4 i2 i1 u1 b1")
        }
        guard bytes.count - start - length >= count * width else {
            throw fileProblem(path, "\(shape) needs \(count * width) bytes, and there are \(bytes.count - start - length)")
        }
        let isBig = code.hasPrefix(">") && width > 1
        let isFortran = order.contains("True") && shape.count > 1
        let offset = start + length
        if !isBig, !isFortran, width == type.byteCount {
            return Tensor(type: type, shape: shape, within: storage, byteOffset: offset)
        }
        return copied(UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + count * width]), type, shape, width, isBig: isBig, isFortran: isFortran)
    }

    /// Reorders and widens elements into row-major little-endian ones.
    private static func copied(
        _ bytes: UnsafeRawBufferPointer, _ type: TensorType, _ shape: [Int], _ width: Int, isBig: Bool, isFortran: Bool
    ) -> Tensor {
        let count = shape.reduce(1, *)
        return Tensor(type: type, shape: shape) { out in
            var index = [Int](repeating: 0, count: shape.count)
            for k in 0..<count {
                var at = k
                if isFortran {
                    at = 0
                    for axis in shape.indices.reversed() { at = at * shape[axis] + index[axis] }
                }
                for byte in 0..<width { out[k * type.byteCount + byte] = bytes[at * width + (isBig ? width - 1 - byte : byte)] }
                // Narrow integers keep their sign.
                let isNegative = width < type.byteCount && out[k * type.byteCount + width - 1] & 0x80 != 0
                for byte in width..<max(width, type.byteCount) { out[k * type.byteCount + byte] = isNegative ? 0xFF : 0 }
                var axis = shape.count - 1
                while axis >= 0 {
                    index[axis] += 1
                    if index[axis] < shape[axis] { break }
                    index[axis] = 0
                    axis -= 1
                }
            }
        }
    }

    private static func type(of code: String) -> (TensorType, width: Int)? {
        switch code {
        case "f8": (.f64, 8)
        case "f4": (.f32, 4)
        case "f2": (.f16, 2)
        case "i8": (.i64, 8)
        case "i4": (.i32, 4)
        case "i2": (.i32, 2)
        case "i1": (.i32, 1)
        case "u1": (.u8, 1)
        case "b1": (.bool, 1)
        default: nil
        }
    }

    /// The text of a value of the header's dictionary, without its parentheses.
    private static func field(_ name: String, of header: String) -> String? {
        guard let key = header.range(of: "'\(name)':") else { return nil }
        let rest = header[key.upperBound...].drop { $0 == " " }
        if rest.first == "(" { return rest.dropFirst().firstIndex(of: ")").map { String(rest[rest.index(after: rest.startIndex)..<$0]) } }
        return String(rest.prefix { $0 != "," && $0 != "}" })
    }

    static func encoded(_ tensor: Tensor) -> [FilePart] {
        let code: String
        var tensor = tensor
        switch tensor.type {
        case .f64: code = "<f8"
        case .f32: code = "<f4"
        case .f16: code = "<f2"
        case .bf16:
            // NumPy has no such type.
            tensor = Tensor(tensor.doubles().map { Float($0) }, shape: tensor.shape)
            code = "<f4"
        case .i64: code = "<i8"
        case .i32: code = "<i4"
        case .u8: code = "|u1"
        case .bool: code = "|b1"
        }
        let sizes = tensor.shape.map { "\($0)," }.joined(separator: " ")
        var header = "{'descr': '\(code)', 'fortran_order': False, 'shape': (\(sizes)), }"
        while (10 + header.utf8.count + 1) % 64 != 0 { header += " " }
        header += "\n"
        var bytes = magic + [1, 0]
        withUnsafeBytes(of: UInt16(header.utf8.count).littleEndian) { bytes += $0 }
        bytes += Array(header.utf8)
        return [.bytes(bytes), .tensor(tensor)]
    }
}

extension String {
    /// The first occurrence of `text`.
    fileprivate func range(of text: String) -> Range<String.Index>? { firstRange(of: text) }
}
