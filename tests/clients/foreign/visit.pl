# Perl: LWP::UserAgent, which loads LWP::Authen::Negotiate when it is challenged.
# Arguments: the URL, the file with the body, then requests such as "GET /hello".
use strict;
use warnings;
use LWP::UserAgent;

my ($url, $file, @requests) = @ARGV;
my $client = LWP::UserAgent->new(keep_alive => 1, timeout => 30);
open(my $in, '<', $file) or die $!;
my $body = do { local $/; <$in> };
for (@requests) {
    my ($method, $path) = split / /;
    my @with = $method eq 'POST' ? (['Content-Type' => 'text/plain'], $body) : ();
    my $answer = $client->request(HTTP::Request->new($method, "$url$path", @with));
    print $answer->code, ' - ', $answer->content, "\n";
}
