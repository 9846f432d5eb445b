package recognise_test

import (
	"testing"

	"teikyo/deid/recognise"
)

func TestClassOf(t *testing.T) {
	t.Parallel()
	names := recognise.NewNames()
	for class, list := range map[recognise.Class][]string{
		recognise.PersonName: {"name", "NAME", "patient_name", "firstName", "last-name", "Surname", "PATIENTNAME", "氏名", "患者氏名", "氏名カナ", "ｶﾅ氏名",
			"氏名（漢字）", "姓", "名", "名前", "フリガナ", "nome", "nome_paciente", "nomeSocial", "Nome da mãe", "name2", "患者.氏名", "maiden name"},
		recognise.Address:      {"address", "addr1", "address_line1", "line1", "street", "city", "lat", "住所", "患者住所", "住所1", "endereço", "ENDERECO", "rua", "município"},
		recognise.PostalCode:   {"zip", "ZipCode", "postal_code", "郵便番号", "郵便番号上3桁", "〒", "cep", "CEP"},
		recognise.PhoneNumber:  {"phone", "tel", "phone_number", "mobile", "電話", "自宅電話番号", "ＦＡＸ", "telefone", "連絡先", "cell"},
		recognise.EmailAddress: {"email", "e-mail", "E_MAIL", "emailAddress", "メールアドレス", "correio", "eメール"},
		recognise.Birth:        {"dob", "birth_date", "DateOfBirth", "dateofbirth", "生年月日", "生年月日（西暦）", "誕生日", "生年月", "data_nascimento", "dt_nasc", "BIRTHDATE"},
		recognise.PatientID:    {"patient_id", "PatientID", "mrn", "medical_record_number", "chart no", "患者ID", "患者ＩＤ", "カルテ番号", "データ識別番号", "prontuário", "registro"},
		recognise.Certificate:  {"member_id", "policy_number", "被保険者番号", "被保険者証番号", "記号", "番号", "枝番", "受給者番号", "公費受給者番号", "cartao_sus", "cns"},
		recognise.Insurer:      {"保険者番号", "公費負担者番号", "payer_id", "registro_ans", "operadora"},
		recognise.NationalID:   {"ssn", "passport", "npi", "マイナンバー", "個人番号", "cpf", "rg", "driver_license", "my number"},
		recognise.Staff:        {"doctor", "physician", "provider_name", "医師名", "主治医", "medico", "crm"},
		recognise.Account:      {"account_number", "AccountNo", "bank_account", "license_number", "certificate no", "口座番号"},
		recognise.Device:       {"device_id", "DeviceSerialNumber", "serial_no", "VIN", "license_plate", "車両番号", "製造番号"},
		recognise.Network:      {"ip", "ip_address", "IPAddress", "mac_address", "URL", "website", "IPアドレス"},
		recognise.Biometric:    {"fingerprint", "face_photo", "photo", "顔写真"},
		recognise.FreeText:     {"comment", "notes", "コメント", "備考", "症状詳記", "observação", "laudo"},
		recognise.Age:          {"age", "Age", "年齢", "idade"},
		recognise.NoClass: {"drug_name", "item_name", "病名", "薬品名", "診療行為名称", "nome_medicamento", "hospital_name", "性別", "診療年月", "傷病名コード", "点数",
			"レセプト番号", "cell_count", "doctor_visits", "capacity", "telemetry", "zipper", "workclass", "native-country", "salary-class", "", "123",
			"stage", "acid_level", "diabetes", "行番号", "mobile_app", "data_registro", "phone_type", "sex", "race", "education", "email_flag",
			"ip_visits", "ip_drg", "device_type", "account_type", "photo_therapy", "機器", "serial"},
	} {
		for _, name := range list {
			if got := names.ClassOf(name); got != class {
				t.Errorf("ClassOf(%q) = %q, want %q", name, got, class)
			}
		}
	}
}
