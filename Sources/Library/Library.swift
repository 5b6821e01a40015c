/// The standard library: modules that are programs in Rec, and part of the compiler. `std.gru` is the file `std/gru.rec`.
package enum Library {
    /// The modules in alphabetic order, `std` and a name each.
    package static let modules = texts.map { prefix + $0.name }

    /// The text of a module; nil where there is no such module.
    package static func text(of module: String) -> String? {
        guard module.hasPrefix(prefix) else { return nil }
        let name = module.dropFirst(prefix.count)
        return texts.first { $0.name == name }.map { String(decoding: $0.bytes(), as: UTF8.self) }
    }

    /// What messages call the file of a module.
    package static func path(of module: String) -> String { module.split(separator: ".").joined(separator: "/") + ".rec" }

    private static let prefix = "std."

    /// Every file of the folder `std`; each text is made when it is first asked for.
    private static let texts: [(name: String, bytes: @Sendable () -> [UInt8])] = [
        ("aaren", { PackageResources.aaren_rec }),
        ("attention", { PackageResources.attention_rec }),
        ("convolution", { PackageResources.convolution_rec }),
        ("deltanet", { PackageResources.deltanet_rec }),
        ("gla", { PackageResources.gla_rec }),
        ("gru", { PackageResources.gru_rec }),
        ("linear_attention", { PackageResources.linear_attention_rec }),
        ("lru", { PackageResources.lru_rec }),
        ("lstm", { PackageResources.lstm_rec }),
        ("mamba", { PackageResources.mamba_rec }),
        ("mamba2", { PackageResources.mamba2_rec }),
        ("mingru", { PackageResources.mingru_rec }),
        ("minlstm", { PackageResources.minlstm_rec }),
        ("mlstm", { PackageResources.mlstm_rec }),
        ("retnet", { PackageResources.retnet_rec }),
        ("rglru", { PackageResources.rglru_rec }),
        ("rwkv4", { PackageResources.rwkv4_rec }),
        ("rwkv5", { PackageResources.rwkv5_rec }),
        ("rwkv6", { PackageResources.rwkv6_rec }),
        ("rwkv7", { PackageResources.rwkv7_rec }),
        ("s4d", { PackageResources.s4d_rec }),
        ("s5", { PackageResources.s5_rec }),
        ("slstm", { PackageResources.slstm_rec }),
        ("ttt", { PackageResources.ttt_rec }),
        ("zoh", { PackageResources.zoh_rec }),
    ]
}
