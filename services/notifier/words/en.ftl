# What mails say, in English. Every message is in each language: a test compares.
still-failing-subject = Webhook "{ $name }" has failed since { $since }
still-failing-says = The receiver of this webhook has not confirmed anything since { $since }. Its events are not lost: they wait, and go out in their order as soon as it answers with a 2xx status.
still-failing-expires = Each event is kept for 7 days from its acceptance. Those that wait are lost from { $expires } on at the latest; what was there before the webhook failed, earlier.
still-failing-expires-soon = The oldest events expire within a day: from { $expires } on they are not sent any more.
still-failing-do = See to it that the receiver answers within 5 seconds with a 2xx status. A test of the webhook shows what it answers now. If you need no events for a while, switch the webhook off: what waits stays for its 7 days.

recovered-subject = Webhook "{ $name }" answers again
recovered-says = The receiver of this webhook answers again. It had failed since { $since }. What waited is being sent in its order.
recovered-do = There is nothing to do. Expect more events than usual until all has been sent.

disabled-subject = Webhook "{ $name }" was switched off
disabled-retention-says = The receiver of this webhook has not confirmed anything for 7 days, for as long as events are kept. The webhook was therefore switched off.
disabled-gone-says = The receiver of this webhook answered 410 Gone, which says that it wants no more events. The webhook was therefore switched off.
disabled-do = Events that come now are not sent to it. Once the receiver is well, switch the webhook on again: what has waited for less than 7 days is sent first.

expired-subject = Webhook "{ $name }" has lost events
expired-says = { $count ->
    [one] One event was not sent, because it was older than 7 days.
   *[other] { $count } events were not sent, because they were older than 7 days.
}
expired-removed-says = { $count ->
    [one] At most one event was not sent: it was removed before it could be.
   *[other] At most { $count } events were not sent: they were removed before they could be.
}
expired-do = They are lost for this webhook. If you need them, ask the product that published them. What is younger goes on being sent.

dead-letter-subject = Webhook "{ $name }": an event was put aside
dead-letter-says = The receiver refused the event { $event } with status { $status }, again and again. It was put aside, so that what comes behind it goes on. You are told of this at most once an hour: there may be others.
dead-letter-do = Look why the receiver refuses it. Until { $kept } it can be sent again, with `angarium webhook dead-letters` and `resend`, or on the webhook's page.

fact-webhook = Webhook
fact-account = Account
fact-receiver = Receiver
fact-class = Class
fact-since = Failing since
fact-attempts = Attempts
fact-answer = Last answer
fact-next = Next attempt
fact-detail = Detail
lane-realtime = real-time
lane-batch = batch
to-do = What to do
open-page = Open the webhook
why-you = You get this mail because you are a contact of this webhook.
why-you-fallback = You get this mail because this webhook has no contacts.
