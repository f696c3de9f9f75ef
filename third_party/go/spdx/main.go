// Checks SPDX 2.3 documents in JSON with the SPDX project's own library, and prints what is wrong with them.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"reflect"
	"regexp"
	"time"

	"github.com/github/go-spdx/v2/spdxexp"
	spdxjson "github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx"
	"github.com/spdx/tools-golang/spdx/v2/common"
	"github.com/spdx/tools-golang/spdxlib"
	"github.com/spdx/tools-golang/utils"
)

var wrong bool

func complain(format string, what ...any) {
	fmt.Printf(format+"\n", what...)
	wrong = true
}

func require(right bool, format string, what ...any) {
	if !right {
		complain(format, what...)
	}
}

// checkFields complains of what the library neither keeps nor writes again, as a field that SPDX does not have.
func checkFields(content []byte, document *spdx.Document) {
	var read, written any
	again := new(bytes.Buffer)
	if err := spdxjson.Write(document, again); err != nil {
		complain("%v", err)
	}
	_ = json.Unmarshal(content, &read)
	_ = json.Unmarshal(again.Bytes(), &written)
	require(reflect.DeepEqual(read, written), "a field is not one of SPDX 2.3, or of another form there")
}

func checkHead(document *spdx.Document) {
	require(document.SPDXVersion == "SPDX-2.3" && document.DataLicense == "CC0-1.0" && document.SPDXIdentifier == "DOCUMENT",
		"it is not a document of SPDX 2.3")
	require(document.DocumentName != "", "it has no name")
	namespace, err := url.Parse(document.DocumentNamespace)
	require(err == nil && namespace.IsAbs(), "its namespace is no URI: %s", document.DocumentNamespace)
	if document.CreationInfo == nil || len(document.CreationInfo.Creators) == 0 {
		complain("it has no creator")
		return
	}
	_, err = time.Parse("2006-01-02T15:04:05Z", document.CreationInfo.Created)
	require(err == nil, "the time of its creation is wrong: %s", document.CreationInfo.Created)
}

func checkLicence(licence, of string) {
	if licence == "NOASSERTION" || licence == "NONE" {
		return
	}
	valid, _ := spdxexp.ValidateLicenses([]string{licence})
	require(valid, "%s has a licence that SPDX does not know: %q", of, licence)
}

var lengths = map[common.ChecksumAlgorithm]int{common.SHA1: 40, common.SHA256: 64}

func checkChecksums(checksums []common.Checksum, of string) {
	for _, checksum := range checksums {
		hex := regexp.MustCompile(fmt.Sprintf("^[0-9a-f]{%d}$", lengths[checksum.Algorithm]))
		require(lengths[checksum.Algorithm] > 0 && hex.MatchString(checksum.Value), "%s has a wrong checksum: %v", of, checksum)
	}
}

// filesOf returns the files that a package contains.
func filesOf(document *spdx.Document, of *spdx.Package) (files []*spdx.File) {
	for _, relationship := range document.Relationships {
		for _, file := range document.Files {
			if relationship.Relationship == "CONTAINS" && relationship.RefA.ElementRefID == of.PackageSPDXIdentifier &&
				relationship.RefB.ElementRefID == file.FileSPDXIdentifier {
				files = append(files, file)
			}
		}
	}
	return
}

func checkPackage(document *spdx.Document, part *spdx.Package) {
	require(part.PackageName != "" && part.PackageDownloadLocation != "", "%s has no name or no origin", part.PackageSPDXIdentifier)
	checkLicence(part.PackageLicenseDeclared, part.PackageName)
	checkLicence(part.PackageLicenseConcluded, part.PackageName)
	checkChecksums(part.PackageChecksums, part.PackageName)
	files := filesOf(document, part)
	require(part.FilesAnalyzed == (len(files) > 0), "%s does not say right whether it lists its files", part.PackageName)
	if len(files) > 0 {
		code, err := utils.GetVerificationCode(files, "")
		require(err == nil && part.PackageVerificationCode != nil && part.PackageVerificationCode.Value == code.Value,
			"the verification code of %s should be %s", part.PackageName, code.Value)
	}
}

func check(path string) {
	content, err := os.ReadFile(path)
	if err != nil {
		complain("%v", err)
		return
	}
	document, err := spdxjson.Read(bytes.NewReader(content))
	if err != nil {
		complain("%v", err)
		return
	}
	checkFields(content, document)
	checkHead(document)
	if err := spdxlib.ValidateDocument(document); err != nil {
		complain("%v", err)
	}
	described, err := spdxlib.GetDescribedPackageIDs(document)
	require(err == nil && len(described) > 0, "it describes no package")
	for _, part := range document.Packages {
		checkPackage(document, part)
	}
	for _, file := range document.Files {
		require(len(file.Checksums) > 0 && file.Checksums[0].Algorithm == common.SHA1, "%s has no SHA-1 first", file.FileName)
		checkLicence(file.LicenseConcluded, file.FileName)
		checkChecksums(file.Checksums, file.FileName)
	}
}

func main() {
	if len(os.Args) < 2 {
		complain("usage: spdx DOCUMENT...")
	}
	for _, path := range os.Args[1:] {
		check(path)
	}
	if wrong {
		os.Exit(1)
	}
}
