# Makes the SPDX document of the image out of the pins on its input; see sbom.sh.
def sha256($value): {algorithm: "SHA256", checksumValue: $value};
def package($name; $version; $licence; $origin): {
  SPDXID: "SPDXRef-\($name)", $name, versionInfo: $version, downloadLocation: $origin, filesAnalyzed: false,
  licenseDeclared: $licence, licenseConcluded: $licence, copyrightText: "NOASSERTION", supplier: "NOASSERTION"
};
def purl($locator): {externalRefs: [{
  referenceCategory: "PACKAGE-MANAGER", referenceType: "purl", referenceLocator: $locator
}]};
def relate($from; $type; $to): {
  spdxElementId: "SPDXRef-\($from)", relationshipType: $type, relatedSpdxElement: "SPDXRef-\($to)"
};
def file_id: "civetweb-\(.name | gsub("[^A-Za-z0-9.]"; "-"))";

. as $pins | (.civetweb | map({
  SPDXID: "SPDXRef-\(file_id)", fileName: "./\(.name)", licenseConcluded: "MIT", licenseInfoInFiles: ["NOASSERTION"],
  copyrightText: "NOASSERTION", checksums: [{algorithm: "SHA1", checksumValue: .sha1}, sha256(.sha256)]
})) as $files | {
  spdxVersion: "SPDX-2.3",
  dataLicense: "CC0-1.0",
  SPDXID: "SPDXRef-DOCUMENT",
  name: "web-app-\(.version)-\(.arch)",
  documentNamespace: ("urn:uuid:" + ($namespace | "\(.[:8])-\(.[8:12])-8\(.[13:16])-8\(.[17:20])-\(.[20:32])")),
  creationInfo: {created, creators: ["Tool: build.sh-\(.version)"]},
  packages: [
    package("web-app"; .version; "MIT"; "NOASSERTION") + {
      checksums: [sha256(.program)], primaryPackagePurpose: "APPLICATION"
    },
    package("civetweb"; "1.16"; "MIT"; .civetweb_origin) + purl("pkg:github/civetweb/civetweb@v1.16") + {
      filesAnalyzed: true, licenseInfoFromFiles: ["NOASSERTION"],
      packageVerificationCode: {packageVerificationCodeValue: .verification_code}
    },
    package("musl"; .musl.version; "MIT"; "NOASSERTION") + purl(.musl.purl) + {sourceInfo: .musl.file} +
      if .musl.hash == "" then {} else {checksums: [sha256(.musl.hash)]} end,
    package("libgcc"; .gcc; "GPL-3.0-or-later WITH GCC-exception-3.1"; "NOASSERTION") + {
      sourceInfo: "the parts of libgcc that the compiler links into a static program"
    },
    package("tzdata"; .tzdata; "LicenseRef-tzdata"; .tzdata_origin) + {checksums: [sha256(.tzdata_hash)]}
  ],
  $files,
  relationships: [
    relate("DOCUMENT"; "DESCRIBES"; "web-app"),
    (("civetweb", "musl", "libgcc") | relate("web-app"; "STATIC_LINK"; .)),
    relate("tzdata"; "DATA_FILE_OF"; "web-app"),
    ($pins.civetweb[] | relate("civetweb"; "CONTAINS"; file_id))
  ],
  hasExtractedLicensingInfos: [{licenseId: "LicenseRef-tzdata", extractedText: .tzdata_licence, name: "tz database"}]
}
