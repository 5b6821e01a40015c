// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "embed",
    // In a package of your own: .package(path: "../recc"), or the address of its repository.
    dependencies: [.package(name: "recc", path: "../..")],
    targets: [
        .executableTarget(name: "embed", dependencies: [.product(name: "Rec", package: "recc")]),
    ]
)
