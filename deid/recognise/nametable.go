package recognise

// Class is what a column holds, by its name (DOMAIN.md 4.1).
type Class string

// The classes. Insurer numbers may be kept; birth and postal columns are
// decided by their values; free text is scanned; the others are direct
// identifiers.
const (
	NoClass      Class = ""
	PersonName   Class = "person-name"
	Address      Class = "address"
	PostalCode   Class = "postal-code"
	PhoneNumber  Class = "phone"
	EmailAddress Class = "email"
	Birth        Class = "birth"
	PatientID    Class = "patient-id"
	Certificate  Class = "insurance-certificate"
	Insurer      Class = "insurer"
	NationalID   Class = "national-id"
	Staff        Class = "staff"
	Account      Class = "account"   // accounts, certificates, licences (45 CFR 164.514(b)(2)(i)(J) and (K))
	Device       Class = "device"    // vehicles, plates, devices, serial numbers ((L) and (M))
	Network      Class = "network"   // addresses of pages and of computers ((N) and (O))
	Biometric    Class = "biometric" // finger and voice prints, pictures of the face ((P) and (Q))
	FreeText     Class = "free-text"
	Age          Class = "age"
)

// Classes are all classes, in the order of the documentation.
func Classes() []Class {
	return []Class{
		PersonName, Address, PostalCode, PhoneNumber, EmailAddress, Birth, PatientID, Certificate, Insurer, NationalID, Staff,
		Account, Device, Network, Biometric, FreeText, Age,
	}
}

// Direct reports whether a column of this class is an identifier whatever its
// values are.
func (c Class) Direct() bool {
	switch c {
	case PersonName, Address, PhoneNumber, EmailAddress, PatientID, Certificate, NationalID, Staff, Account, Device, Network, Biometric:
		return true
	}
	return false
}

// latinNames are whole tokens or phrases of column names in English and
// Portuguese, without accents; "=" wants the whole name. "no" stands for
// number, num, numero and nr.
var latinNames = map[Class][]string{
	PersonName: {"name", "first name", "last name", "given name", "family name", "full name", "middle name", "surname", "firstname", "lastname",
		"fullname", "forename", "patient name", "maiden", "nome", "sobrenome", "nome paciente", "nome social", "nome mae", "nome pai"},
	Address: {"address", "addr", "street", "address line", "city", "county", "=lat", "=lon", "=lng", "latitude", "longitude", "birthplace",
		"birth place", "place of birth", "endereco", "logradouro", "rua", "bairro", "=complemento", "municipio"},
	PostalCode: {"zip", "zipcode", "zip code", "postal", "postal code", "postcode", "post code", "cep"},
	PhoneNumber: {"phone", "tel", "telephone", "phone no", "=mobile", "mobile no", "mobile phone", "=cell", "cell no", "cell phone", "fax",
		"telefone", "celular", "fone"},
	EmailAddress: {"email", "mail", "e mail", "mail address", "email address", "correio"},
	Birth: {"dob", "birth", "birthdate", "birthday", "date of birth", "birth date", "nascimento", "data nascimento", "data de nascimento",
		"dt nasc", "nasc"},
	PatientID: {"mrn", "medical record", "medical record no", "chart no", "chart id", "patient id", "patient no", "hospital no", "prontuario",
		"id paciente", "=registro"},
	Certificate: {"member id", "member no", "policy no", "policy id", "subscriber", "subscriber id", "group no", "mbi", "hicn", "beneficiary id",
		"carteirinha", "no cartao", "cartao no", "cns", "cartao sus"},
	Insurer: {"payer id", "payer no", "insurer", "insurer no", "insurer id", "operadora", "registro ans"},
	NationalID: {"ssn", "social security", "social security no", "passport", "driver license", "drivers license", "driver licence", "npi", "dea",
		"my no", "cpf", "rg", "pis", "titulo eleitor", "titulo de eleitor", "cnh"},
	Staff: {"doctor", "physician", "provider name", "doctor name", "=medico", "nome medico", "id medico", "crm", "profissional"},
	Account: {"account no", "account id", "bank account", "iban", "certificate no", "license no", "licence no", "registration no",
		"conta bancaria", "no conta"},
	Device: {"vehicle id", "vehicle no", "=vin", "license plate", "licence plate", "plate no", "device id", "device no", "device serial",
		"device serial no", "serial no", "=udi", "imei", "placa veiculo", "=placa", "chassi", "no serie"},
	Network: {"ip address", "ip addr", "=ip", "mac address", "=url", "web address", "website", "homepage", "endereco ip"},
	Biometric: {"fingerprint", "finger print", "voiceprint", "voice print", "face photo", "facial image", "facial photo", "=photo",
		"photograph", "portrait", "impressao digital"},
	FreeText: {"comment", "comments", "note", "notes", "remark", "remarks", "memo", "report", "narrative", "free text", "freetext", "observacao",
		"observacoes", "obs", "laudo", "evolucao"},
	Age: {"age", "idade"},
}

// cjkNames are Japanese column names: the whole name or its end; "=" wants the
// whole name.
var cjkNames = map[Class][]string{
	PersonName:   {"氏名", "患者氏名", "名前", "=姓", "=名", "=姓名", "患者名", "漢字氏名", "カナ氏名", "フリガナ", "ふりがな", "シメイ"},
	Address:      {"住所", "所在地", "番地", "市区町村", "町域", "建物名"},
	PostalCode:   {"郵便番号", "〒"},
	PhoneNumber:  {"電話", "電話番号", "携帯", "携帯番号", "連絡先", "ファックス", "FAX番号"},
	EmailAddress: {"メール", "メールアドレス", "eメール"},
	Birth:        {"生年月日", "誕生日", "出生日", "生日", "生年月", "誕生月", "生年"},
	PatientID:    {"患者id", "患者番号", "患者no", "カルテ番号", "カルテno", "診察券番号", "データ識別番号", "整理番号"},
	Certificate: {"=記号", "=番号", "=記号番号", "=記号・番号", "被保険者証記号", "被保険者証番号", "被保険者記号", "被保険者番号", "被保険者証", "証番号", "証記号",
		"枝番", "受給者番号", "保険証", "保険証番号", "保険証記号", "加入者番号"},
	Insurer:    {"保険者番号", "負担者番号"},
	NationalID: {"マイナンバー", "個人番号", "旅券番号", "パスポート番号", "免許証番号", "基礎年金番号"},
	Staff:      {"医師名", "医師氏名", "主治医", "担当医", "医師コード", "看護師", "看護師名"},
	Account:    {"口座番号", "証明書番号", "免許番号"},
	Device:     {"車両番号", "車台番号", "登録ナンバー", "機器番号", "製造番号", "シリアル番号", "シリアルno"},
	Network:    {"ipアドレス", "macアドレス", "ホームページ"},
	Biometric:  {"顔写真", "指紋", "声紋"},
	FreeText:   {"コメント", "備考", "所見", "摘要", "症状詳記", "メモ", "自由記載", "フリーテキスト"},
	Age:        {"年齢", "年令"},
}

// harmlessNames are words next to "name" or "nome" that say it is not a
// person's: names of drugs, items and entries of code tables.
var harmlessNames = setOf([]string{"drug", "medicine", "medication", "item", "product", "brand", "generic", "disease", "diagnosis", "procedure",
	"hospital", "facility", "clinic", "code", "table", "column", "field", "file", "test", "exam", "lab", "unit", "category", "group", "class",
	"type", "dept", "department", "ward", "device", "variable", "study", "site", "event", "form", "country", "state", "prefecture", "insurer",
	"medicamento", "produto", "exame", "procedimento", "doenca", "estabelecimento", "unidade", "hospitalar", "arquivo"})

// harmlessEnds are last words that make a column a count or a kind of the
// thing: phone_type, doctor_visits, cell_count.
var harmlessEnds = setOf([]string{"count", "counts", "visits", "flag", "type", "category", "rate", "ratio", "fee", "cost", "amount", "specialty",
	"days", "total", "size", "length", "status", "class", "yn"})

// jpQualifiers are endings of Japanese column names that do not change what the
// column holds.
var jpQualifiers = []string{"(漢字)", "(カナ)", "カナ", "かな", "漢字", "ローマ字", "英字", "上3桁", "前3桁", "先頭3桁", "3桁", "下4桁", "7桁", "西暦", "和暦", "全角", "半角"}
