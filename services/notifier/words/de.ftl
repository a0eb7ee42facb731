# Was Mails sagen, auf Deutsch.
still-failing-subject = Webhook „{ $name }“ antwortet seit { $since } nicht
still-failing-says = Der Empfänger dieses Webhooks hat seit { $since } nichts bestätigt. Seine Ereignisse sind nicht verloren: sie warten und gehen in ihrer Reihenfolge hinaus, sobald er mit einem Status 2xx antwortet.
still-failing-expires = Jedes Ereignis wird ab seiner Annahme 7 Tage aufbewahrt. Was wartet, ist spätestens ab { $expires } verloren; was schon vor dem Ausfall da war, früher.
still-failing-expires-soon = Die ältesten Ereignisse verfallen binnen eines Tages: ab { $expires } werden sie nicht mehr gesendet.
still-failing-do = Sorgen Sie dafür, dass der Empfänger innerhalb von 5 Sekunden mit einem Status 2xx antwortet. Ein Test des Webhooks zeigt, was er jetzt antwortet. Brauchen Sie eine Weile keine Ereignisse, schalten Sie den Webhook ab: was wartet, bleibt seine 7 Tage.

recovered-subject = Webhook „{ $name }“ antwortet wieder
recovered-says = Der Empfänger dieses Webhooks antwortet wieder. Er war seit { $since } ausgefallen. Was gewartet hat, wird in seiner Reihenfolge gesendet.
recovered-do = Es ist nichts zu tun. Rechnen Sie mit mehr Ereignissen als sonst, bis alles gesendet ist.

disabled-subject = Webhook „{ $name }“ wurde abgeschaltet
disabled-retention-says = Der Empfänger dieses Webhooks hat 7 Tage lang nichts bestätigt, so lange, wie Ereignisse aufbewahrt werden. Der Webhook wurde deshalb abgeschaltet.
disabled-gone-says = Der Empfänger dieses Webhooks hat mit 410 Gone geantwortet und will damit keine Ereignisse mehr. Der Webhook wurde deshalb abgeschaltet.
disabled-do = Was jetzt geschieht, wird ihm nicht gesendet. Ist der Empfänger wieder gesund, schalten Sie den Webhook ein: was noch keine 7 Tage gewartet hat, kommt zuerst.

expired-subject = Webhook „{ $name }“ hat Ereignisse verloren
expired-says = { $count ->
    [one] Ein Ereignis wurde nicht gesendet, weil es älter als 7 Tage war.
   *[other] { $count } Ereignisse wurden nicht gesendet, weil sie älter als 7 Tage waren.
}
expired-removed-says = { $count ->
    [one] Höchstens ein Ereignis wurde nicht gesendet: es war vorher entfernt worden.
   *[other] Höchstens { $count } Ereignisse wurden nicht gesendet: sie waren vorher entfernt worden.
}
expired-do = Für diesen Webhook sind sie verloren. Brauchen Sie sie, fragen Sie das Produkt, das sie veröffentlicht hat. Jüngeres wird weiter gesendet.

dead-letter-subject = Webhook „{ $name }“: ein Ereignis wurde beiseitegelegt
dead-letter-says = Der Empfänger hat das Ereignis { $event } immer wieder mit Status { $status } abgelehnt. Es wurde beiseitegelegt, damit weitergeht, was dahinter kommt. Davon hören Sie höchstens einmal in der Stunde: es können mehrere sein.
dead-letter-do = Sehen Sie nach, warum der Empfänger es ablehnt. Bis { $kept } kann es noch einmal gesendet werden, mit `angarium webhook dead-letters` und `resend` oder auf der Seite des Webhooks.

fact-webhook = Webhook
fact-account = Konto
fact-receiver = Empfänger
fact-class = Klasse
fact-since = Ausgefallen seit
fact-attempts = Versuche
fact-answer = Letzte Antwort
fact-next = Nächster Versuch
fact-detail = Einzelheit
lane-realtime = Echtzeit
lane-batch = Stapel
to-do = Was zu tun ist
open-page = Webhook öffnen
why-you = Sie erhalten diese Mail, weil Sie ein Kontakt dieses Webhooks sind.
why-you-fallback = Sie erhalten diese Mail, weil dieser Webhook keine Kontakte hat.
